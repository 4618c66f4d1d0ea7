import { request, type IncomingMessage } from 'node:http'
import { until } from './until.ts'

export interface LiveMessage {
  readonly event: string
  readonly id: string | undefined
  readonly data: Readonly<Record<string, unknown>>
}

/** A connection with live updates. */
export interface LiveClient extends Disposable {
  readonly status: number
  readonly contentType: string
  readonly messages: readonly LiveMessage[]
  /** Lines that begin with a colon. */
  readonly comments: number
  readonly isOver: boolean
  /** Stops reading, or goes on. */
  pause(): void
  resume(): void
  /** The next message of the event, which is taken out. */
  next(event: string): Promise<LiveMessage>
  /** Resolves when the answer is over, in whatever way. */
  ended(): Promise<void>
}

/** Connects; resolves with the head of the answer. */
export async function openLive(url: string, headers: Readonly<Record<string, string>>): Promise<LiveClient> {
  const messages: LiveMessage[] = []
  let rest = ''
  let comments = 0
  let isOver = false
  const take = (block: string) => {
    const fields = new Map<string, string>()
    for (const line of block.split('\n')) {
      if (line.startsWith(':')) comments++
      const [, name = '', value = ''] = /^([a-z]+): ?(.*)$/.exec(line) ?? []
      if (name !== '') fields.set(name, value)
    }
    const event = fields.get('event')
    if (event !== undefined)
      messages.push({ event, id: fields.get('id'), data: JSON.parse(fields.get('data') ?? '{}') as LiveMessage['data'] })
  }
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const outgoing = request(url, { headers: { accept: 'text/event-stream', ...headers }, agent: false }, resolve)
  outgoing.once('error', reject)
  outgoing.end()
  const answer = await promise
  outgoing.on('error', () => undefined)
  answer.setEncoding('utf8')
  answer.on('data', (text: string) => {
    const blocks = (rest + text).split('\n\n')
    rest = blocks.pop() ?? ''
    for (const block of blocks) take(block)
  })
  for (const name of ['end', 'close', 'error'] as const) answer.on(name, () => (isOver = true))
  return {
    status: answer.statusCode ?? 0,
    contentType: answer.headers['content-type'] ?? '',
    messages,
    get comments() {
      return comments
    },
    get isOver() {
      return isOver
    },
    pause: () => void answer.pause(),
    resume: () => void answer.resume(),
    async next(event) {
      const at = () => messages.findIndex((message) => message.event === event)
      await until(`a message ${event}`, () => at() !== -1, 10_000)
      const [message] = messages.splice(at(), 1)
      if (message === undefined) throw new Error('it was there')
      return message
    },
    ended: () => until('the end of the answer', () => isOver, 10_000),
    [Symbol.dispose]: () => void outgoing.destroy(),
  }
}
