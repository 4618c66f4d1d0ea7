import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { killGroup } from './run-command.ts'
import { until } from './until.ts'

/** A program that runs until it is stopped, in its own process group, with all it printed kept. */
export interface Daemon extends AsyncDisposable {
  readonly pid: number
  logs(): string
  /** SIGTERM, and SIGKILL with an error when that is not enough. Returns the exit status. */
  stop(): Promise<number | undefined>
  /** SIGKILL: what a crash or the kernel would do. */
  kill9(): Promise<void>
}

export interface DaemonOptions {
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly cwd?: string
  readonly readyWithinMs?: number
  readonly stopWithinMs?: number
}

/** The log is kept whole up to here, then its older half goes: checks for faults read all of a run's. */
const logLimitBytes = 64 * 1024 * 1024

/** Daemons outlive a test process that is ended from outside, so it takes them along. */
const live = new Set<number>()
let guarded = false

function guard(pid: number) {
  live.add(pid)
  if (guarded) return
  guarded = true
  process.once('exit', () => live.forEach((each) => killGroup(each, 'SIGKILL')))
  // eslint-disable-next-line unicorn/no-process-exit -- ending by the signal itself would run no exit handler.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1))
}

/** Starts a program and waits until `ready` says yes; a program that ends before throws with what it printed. */
export async function startDaemon(
  command: readonly string[],
  ready: (logs: string) => boolean | Promise<boolean>,
  options: DaemonOptions = {},
): Promise<Daemon> {
  const [file = '', ...args] = command
  const child = spawn(file, args, { env: options.env ?? process.env, cwd: options.cwd, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  const chunks: string[] = []
  let sizeBytes = 0
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      chunks.push(text)
      sizeBytes += text.length
      if (sizeBytes <= logLimitBytes) return
      chunks.splice(0, chunks.length / 2)
      sizeBytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
    })
  }
  const { pid } = child
  if (pid !== undefined) guard(pid)
  const exited = new Promise<void>((resolve) => {
    child.once('error', (error) => (chunks.push(String(error)), resolve()))
    child.once('exit', () => (live.delete(pid ?? -1), resolve()))
  })
  const daemon = controls(child, chunks, { exited, stopWithinMs: options.stopWithinMs ?? 15_000 })
  try {
    await until(`${file} is ready`, () => hasStarted(child, () => ready(daemon.logs())), options.readyWithinMs ?? 30_000)
  } catch (error) {
    await daemon.kill9()
    throw new Error(`${command.join(' ')} did not start:\n${daemon.logs()}`, { cause: error })
  }
  return daemon
}

function hasStarted(child: ChildProcess, ready: () => boolean | Promise<boolean>) {
  if (hasEnded(child)) throw new Error(`ended with ${child.exitCode ?? child.signalCode ?? 'an error'}`)
  return ready()
}

function hasEnded(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null
}

function controls(
  child: ChildProcess,
  chunks: readonly string[],
  { exited, stopWithinMs }: { exited: Promise<void>; stopWithinMs: number },
): Daemon {
  const end = async (signal: NodeJS.Signals) => {
    if (!hasEnded(child)) killGroup(child.pid, signal)
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<'late'>((resolve) => {
      timer = setTimeout(() => resolve('late'), stopWithinMs)
    })
    const outcome = await Promise.race([exited, late])
    clearTimeout(timer)
    return outcome !== 'late'
  }
  const kill9 = async () => void (await end('SIGKILL'))
  const stop = async () => {
    if (await end('SIGTERM')) return child.exitCode ?? undefined
    await kill9()
    throw new Error(`process ${child.pid} did not stop within ${stopWithinMs} ms of SIGTERM:\n${chunks.join('')}`)
  }
  return {
    pid: child.pid ?? -1,
    logs: () => chunks.join(''),
    stop,
    kill9,
    [Symbol.asyncDispose]: async () => void (await stop()),
  }
}
