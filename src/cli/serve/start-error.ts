// What goes wrong when a node starts, in the terms of the person who started it.

import type { BrokerOptions } from '../../broker/broker.js'
import { CliError, ExitCode } from '../errors.js'
import { formatAddress } from '../options.js'

/** The error a start failed with, with what to do about it; an unknown one as it is. */
export function startError(error: unknown, options: Pick<BrokerOptions, 'listen' | 'dataDirs'>): unknown {
  if (!(error instanceof Error)) return error
  const code = (error as NodeJS.ErrnoException).code
  const addresses = options.listen.map(formatAddress).join(', ')
  const dirs = options.dataDirs.join(', ')
  switch (code) {
    case 'EADDRINUSE':
      return new CliError(
        `cannot listen on ${addresses}: the port is taken by another process`,
        ExitCode.failed,
        'stop that process, or listen elsewhere with --listen HOST:PORT (port 0 takes a free one)',
        { cause: error },
      )
    case 'EADDRNOTAVAIL':
      return new CliError(
        `cannot listen on ${addresses}: this machine has no such address`,
        ExitCode.failed,
        'listen on 127.0.0.1 or 0.0.0.0, and give the outside address with --advertise HOST:PORT',
        { cause: error },
      )
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      if (error.message.includes('cannot listen on'))
        return new CliError(
          `no permission: ${error.message}`,
          ExitCode.failed,
          'listen on a port above 1023 with --listen HOST:PORT; the ones below need a privilege',
          { cause: error },
        )
      return new CliError(
        `no permission: ${error.message}`,
        ExitCode.failed,
        `make ${dirs} writable for this user, or choose another with --data-dir`,
        { cause: error },
      )
    case 'ENOTDIR':
    case 'EEXIST':
      return new CliError(
        `the data directory is not a directory: ${error.message}`,
        ExitCode.failed,
        'name a directory, or one that is to be made, with --data-dir',
        { cause: error },
      )
    case 'ENOENT':
      if ((error as NodeJS.ErrnoException).syscall !== 'mkdir') return error
      return new CliError(`no directory can be made there: ${error.message}`, ExitCode.failed, 'name another place with --data-dir', {
        cause: error,
      })
    case 'ERR_MILLRACE_LOCKED':
      return new CliError(
        `the data directory is in use by another process: ${error.message}`,
        ExitCode.failed,
        'stop that process, or give this one its own --data-dir',
        { cause: error },
      )
    default:
      return error
  }
}
