import { spawn } from 'node:child_process'

/** What a finished command left behind; `output` is both streams, for messages. */
export interface CommandResult {
  readonly status: number | undefined
  readonly stdout: string
  readonly stderr: string
  readonly output: string
}

export interface CommandOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string
  readonly cwd?: string
  /** After this time the command's whole process group is killed; 120 s by default. */
  readonly timeoutMs?: number
}

const outputLimitBytes = 4 * 1024 * 1024

/** Runs a command in its own process group and returns how it ended, whatever its status. */
export async function tryCommand(command: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const [file = '', ...args] = command
  const child = spawn(file, args, { env: options.env ?? process.env, cwd: options.cwd, detached: true, stdio: 'pipe' })
  const stdout: Buffer[] = []
  const stderr: Buffer[] = []
  collect(child.stdout, stdout)
  collect(child.stderr, stderr)
  child.stdin.on('error', () => {}) // A command that ends without reading its input is judged by its status.
  child.stdin.end(options.input ?? '')
  let timedOut = false
  const timeoutMs = options.timeoutMs ?? 120_000
  const timer = setTimeout(() => {
    timedOut = true
    killGroup(child.pid, 'SIGKILL')
  }, timeoutMs)
  const status = await new Promise<number | undefined>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve(code ?? undefined))
  }).finally(() => clearTimeout(timer))
  const out = Buffer.concat(stdout).toString()
  const err = Buffer.concat(stderr).toString() + (timedOut ? `\n(killed after ${timeoutMs} ms)` : '')
  return { status, stdout: out, stderr: err, output: `${out}${err}` }
}

/** Runs a command that must succeed; a failure throws with the command line and everything it said. */
export async function run(command: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const result = await tryCommand(command, options)
  if (result.status !== 0) throw new Error(`${command.join(' ')} ended with ${result.status ?? 'a signal'}:\n${result.output}`)
  return result
}

/** Runs a command that must fail by itself (a kill by time does not count) and returns what it said. */
export async function runRefused(command: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const result = await tryCommand(command, options)
  if (result.status === 0) throw new Error(`${command.join(' ')} succeeded, but should have been refused:\n${result.output}`)
  if (result.status === undefined) throw new Error(`${command.join(' ')} was killed:\n${result.output}`)
  return result
}

/** Signals a process group that was started detached; one that is gone already is no error. */
export function killGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

function collect(stream: NodeJS.ReadableStream, chunks: Buffer[]) {
  let sizeBytes = 0
  stream.on('data', (chunk: Buffer) => {
    sizeBytes += chunk.length
    if (sizeBytes <= outputLimitBytes) chunks.push(chunk)
  })
}
