// What a pool thread runs: the log's background tasks, by name.

export { runPoolTask as default } from '../log/pool-tasks.js'
