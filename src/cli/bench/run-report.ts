// `millrace bench report`: result files to one page.

import { printJson } from '../output.js'
import { renderReport } from './report/page.js'
import { readResult, write } from './result-file.js'

export async function runReport(files: readonly string[], flags: { readonly out: string; readonly json?: boolean }): Promise<number> {
  write(flags.out, renderReport(files.map(readResult)))
  if (flags.json) printJson({ report: flags.out, results: files.length })
  else process.stderr.write(`report written to ${flags.out}\n`)
  return 0
}
