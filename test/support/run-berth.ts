import { fileURLToPath } from 'node:url'
import { run, tryCommand, type CommandResult } from './run-command.ts'

const launcher = fileURLToPath(new URL('../../bin/berth.mjs', import.meta.url))

/** Without the settings of this process, which may be of a test run. */
const options = { env: { PATH: process.env['PATH'] ?? '' } }

/** Runs a command of Berth that must succeed, such as `garbage-collect FILE`, in a process of its own. */
export async function runBerth(...args: readonly string[]): Promise<CommandResult> {
  return await run([process.execPath, launcher, ...args], options)
}

/** The same, whatever its status. */
export async function tryBerth(...args: readonly string[]): Promise<CommandResult> {
  return await tryCommand([process.execPath, launcher, ...args], options)
}
