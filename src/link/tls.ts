// Certificates of peers. uWebSockets.js asks a dialer for its certificate and does not require one, so where a CA is set the dialer proves it in the
// handshake as well: the certificate and a signature over the handshake with its key, which the server checks against the CA. Runs on the link thread.

import { createPrivateKey, sign, verify, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { CertificateProver } from './handshake.js'
import type { LinkTls } from './settings.js'

/** A signature of a key of another kind than these: Ed25519 and Ed448 bring their own digest. */
function digestFor(keyType: string | undefined): string | null {
  return keyType === 'ed25519' || keyType === 'ed448' ? null : 'sha256'
}

export function certificateProver(tls: LinkTls | null, now: () => number): CertificateProver {
  if (!tls) return {}
  const own = new X509Certificate(readFileSync(tls.certFile))
  const key = createPrivateKey({ key: readFileSync(tls.keyFile), ...(tls.passphrase === undefined ? {} : { passphrase: tls.passphrase }) })
  const prove: CertificateProver['prove'] = (transcript) => ({
    certificate: own.raw,
    signature: sign(digestFor(key.asymmetricKeyType), transcript, key),
  })
  if (tls.caFile === undefined) return { prove }
  const authorities = certificatesIn(readFileSync(tls.caFile, 'utf8'))
  return { prove, verify: (certificate, signature, transcript) => check(certificate, signature, transcript, authorities, now()) }
}

function certificatesIn(pem: string): X509Certificate[] {
  return (pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).map((one) => new X509Certificate(one))
}

function check(
  der: Uint8Array,
  signature: Uint8Array,
  transcript: Uint8Array,
  authorities: readonly X509Certificate[],
  now: number,
): string | null {
  if (der.length === 0) return 'a certificate is required (link caFile) and the peer showed none'
  let certificate: X509Certificate
  try {
    certificate = new X509Certificate(der)
  } catch (error) {
    return `the certificate of the peer cannot be read: ${(error as Error).message}`
  }
  if (!authorities.some((ca) => certificate.checkIssued(ca) && certificate.verify(ca.publicKey)))
    return 'the certificate of the peer is not of the authority that this node trusts (link caFile)'
  if (now < Date.parse(certificate.validFrom) || now > Date.parse(certificate.validTo))
    return `the certificate of the peer is valid from ${certificate.validFrom} to ${certificate.validTo}`
  const holds = verify(digestFor(certificate.publicKey.asymmetricKeyType), transcript, certificate.publicKey, signature)
  return holds ? null : 'the peer did not prove that it has the key of its certificate'
}
