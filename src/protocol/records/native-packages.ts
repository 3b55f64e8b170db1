// Loads packages with a prebuilt binary at first use, and says when there is none for this platform. Nothing native is loaded before
// something needs it, so that a program that never compresses does not pay for it.

import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)

/** Gives the package, or what stands in for it where its binary does not load. `MILLRACE_NO_NATIVE=1` forces the stand-in, for tests. */
export function lazily<T>(load: (require: NodeJS.Require) => T, instead: (require: NodeJS.Require) => T): () => T {
  let loaded: T | undefined
  return () => (loaded ??= process.env['MILLRACE_NO_NATIVE'] === '1' ? instead(require) : attempt(load, instead))
}

function attempt<T>(load: (require: NodeJS.Require) => T, instead: (require: NodeJS.Require) => T): T {
  try {
    return load(require)
  } catch {
    // No binary for this platform, or one that its libc refuses: the stand-in does the same, slower.
    return instead(require)
  }
}
