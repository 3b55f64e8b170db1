// What the reference systems need of the machine: Java, and their jars from Maven Central.

import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const HERE = dirname(fileURLToPath(import.meta.url))

export function fail(text) {
  console.error(text)
  process.exit(1)
}

function need(command, flag, hint) {
  if (spawnSync(command, [flag], { stdio: 'ignore' }).error) fail(`${command} is not installed: ${hint}`)
}

export function needJava() {
  need('java', '-version', 'apt-get install openjdk-17-jre-headless')
}

export function needMaven() {
  need('mvn', '-v', 'apt-get install maven')
}

/** Its output goes to standard error: standard output is the answer's. `what`: whose jars. */
export function maven(what, pom, jars, ...args) {
  const { status } = spawnSync('mvn', ['-q', '-B', '-f', join(HERE, pom), ...args, `-DoutputDirectory=${jars}`], {
    stdio: ['ignore', process.stderr.fd, 'inherit'],
  })
  if (status !== 0) fail(`Maven ended with ${status}: ${what}'s jars did not come`)
}
