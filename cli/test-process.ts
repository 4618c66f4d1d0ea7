/** Berth as a process, for the tests of the command line. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** The launcher, as a path. */
export const launcher: string = fileURLToPath(new URL('../bin/berth.mjs', import.meta.url))

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface TestProcess extends AsyncDisposable {
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
  stdout(): string
  stderr(): string
  /** Resolves with the first match in what is printed on either stream; rejects with all of it when the process ends first. */
  printed(pattern: RegExp): Promise<RegExpExecArray>
}

export interface ProcessOptions {
  readonly cwd: string
  readonly env?: Readonly<Record<string, string>>
  /** Flags of Node before the script. */
  readonly nodeFlags?: readonly string[]
  readonly script?: string
}

/** Starts the launcher with arguments, in a directory, with an environment that holds nothing of this one but what programs need. */
export function startProcess(args: readonly string[], { cwd, env = {}, nodeFlags = [], script = launcher }: ProcessOptions): TestProcess {
  const { PATH = '', HOME = '' } = process.env
  const child = spawn(process.execPath, [...nodeFlags, script, ...args], {
    cwd,
    env: { PATH, HOME, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const output = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text))
  const ended = once(child, 'close').then(([code, signal]) => ({
    code: code as number | null,
    signal: signal as NodeJS.Signals | null,
    ...output,
  }))
  const all = () => `${output.stdout}${output.stderr}`
  return {
    child,
    ended,
    stdout: () => output.stdout,
    stderr: () => output.stderr,
    printed: async (pattern) => {
      for (;;) {
        const match = pattern.exec(all())
        if (match !== null) return match
        if (child.exitCode !== null || child.signalCode !== null) throw new Error(`ended without ${String(pattern)}:\n${all()}`)
        await Promise.race([ended, once(child.stdout, 'data'), once(child.stderr, 'data')])
      }
    },
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL')
      await ended
    },
  }
}

/** Runs to the end. */
export async function runProcess(args: readonly string[], options: ProcessOptions): Promise<Ended> {
  await using started = startProcess(args, options)
  return await started.ended
}
