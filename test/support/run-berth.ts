import { fileURLToPath } from 'node:url'
import { run, type CommandResult } from './run-command.ts'

const launcher = fileURLToPath(new URL('../../bin/berth.mjs', import.meta.url))

/** Runs a command of Berth that must succeed, such as `garbage-collect FILE`, in a process of its own and without the settings of this one. */
export async function runBerth(...args: readonly string[]): Promise<CommandResult> {
  return await run([process.execPath, launcher, ...args], { env: { PATH: process.env['PATH'] ?? '' } })
}
