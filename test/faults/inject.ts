import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** An injection that runs until it is disposed of (or until its process is gone). */
export interface Injection extends AsyncDisposable {
  /** What strace printed: a line for each system call that was tampered with. */
  trace(): string
  /** Whether strace has killed the process. */
  killed(): boolean
}

export interface Tampering {
  /** The text after `-e inject=`, such as `fdatasync:error=EIO` or `rename:signal=KILL:when=2`. `when` counts per thread. */
  readonly inject: string
  /** Only this thread, by the name that the kernel has of it; every thread when absent. */
  readonly thread?: string
  /** Only calls on this file or directory, or on descriptors of it. */
  readonly path?: string
}

const attachWithinMs = 10_000

/** Makes the kernel tamper with the system calls of a running process, by strace(1). Resolves when strace has attached. */
export async function inject(pid: number, { inject: injection, thread, path }: Tampering): Promise<Injection> {
  const calls = injection.split(':')[0] ?? ''
  const target = thread === undefined ? pid : threadNamed(pid, thread)
  const child = spawn(
    'strace',
    [
      // Without `-f` the one thread alone.
      ...(thread === undefined ? ['-f'] : []),
      ...(path === undefined ? [] : ['-P', path]),
      '-p',
      String(target),
      '-s',
      '0',
      '-e',
      `trace=${calls}`,
      '-e',
      `inject=${injection}`,
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  let text = ''
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
  })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  await attached(pid, target, () => text)
  return {
    trace: () => text,
    // A thread that dies in a call is printed with no result, whether or not strace then lives to see the end of the process.
    killed: () => / = \?$|\+\+\+ killed by SIGKILL/mu.test(text),
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGINT')
      await ended
    },
  }
}

/** The id of the one thread of that name. */
function threadNamed(pid: number, name: string): number {
  const found = readdirSync(`/proc/${pid}/task`).filter((id) => readFileSync(`/proc/${pid}/task/${id}/comm`, 'utf8').trim() === name)
  if (found.length !== 1) throw new Error(`the process has ${found.length} threads named ${name}`)
  return Number(found[0])
}

async function attached(pid: number, thread: number, trace: () => string): Promise<void> {
  const deadline = performance.now() + attachWithinMs
  while (performance.now() < deadline) {
    if (/Operation not permitted|No such process/u.test(trace())) throw new Error(`strace could not attach: ${trace()}`)
    const tracer = /TracerPid:\s+(\d+)/u.exec(readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8'))?.[1]
    if (tracer !== '0' && trace().includes(' attached')) return
    await sleep(10)
  }
  throw new Error(`strace did not attach: ${trace()}`)
}
