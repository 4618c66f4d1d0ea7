/** The inner side of worker-pool.ts: what runs in the thread, and the messages between both. */
import { parentPort, type MessagePort } from 'node:worker_threads'

/** An error as data, since a structured clone loses its class. `code` and `detail` are there for errors that have them. */
export interface ThrownData {
  readonly name: string
  readonly message: string
  readonly stack: string | undefined
  readonly code: string | undefined
  readonly detail: unknown
}

/** What a worker answers to a task. */
export type TaskAnswer = { readonly kind: 'done'; readonly output: unknown } | { readonly kind: 'thrown'; readonly thrown: ThrownData }

/** Called once by a worker's module: `handle` gets the input of each task, one at a time, and its result is the output. */
export function serveTasks<I, O>(handle: (input: I) => O | Promise<O>): void {
  const port = parentPort
  if (port === null) throw new Error('serveTasks runs in a worker thread only')
  port.on('message', (input: I) => void answer(port, handle, input))
}

async function answer<I, O>(port: MessagePort, handle: (input: I) => O | Promise<O>, input: I): Promise<void> {
  try {
    port.postMessage({ kind: 'done', output: await handle(input) } satisfies TaskAnswer)
  } catch (error) {
    // Also an output that cannot be cloned. A `detail` that cannot either ends the thread, which the pool reports as a crash.
    port.postMessage({ kind: 'thrown', thrown: thrownData(error) } satisfies TaskAnswer)
  }
}

function thrownData(error: unknown): ThrownData {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error), stack: undefined, code: undefined, detail: undefined }
  const { code, detail } = error as Error & { code?: unknown; detail?: unknown }
  return { name: error.name, message: error.message, stack: error.stack, code: typeof code === 'string' ? code : undefined, detail }
}
