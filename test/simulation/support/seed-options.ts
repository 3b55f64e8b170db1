/** What every command that runs seeds takes, for parseArgs. */
export const SEED_OPTIONS = {
  help: { type: 'boolean', default: false },
  seeds: { type: 'string', default: '200' },
  from: { type: 'string', default: '1' },
  /** Of each in virtual time, ms. */
  duration: { type: 'string', default: '4000' },
  log: { type: 'boolean', default: false },
} as const
