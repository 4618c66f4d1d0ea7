/** Live updates of a server, for commands: goes on where it was when the connection breaks or the server is replaced. */
import type { ApiClient } from '#api/client.ts'
import { ApiProblem } from '#api/client.ts'
import { live } from '#api/routes/live.ts'
import { NotLetIn, Unreachable } from './command-failure.ts'

/** An event as it came. */
export interface LiveMessage {
  readonly event: string
  readonly data: unknown
}

/** What is followed. */
export interface LiveQuery {
  readonly topics: string
  readonly project?: string
  readonly after?: number
}

const waitMs = 2_000
/** More without an empty line is no event. */
const eventCharactersMax = 4 * 1024 * 1024

/** Messages until the caller has enough. Throws when the right is gone, and what the first connection meets. */
export async function* followLive(client: ApiClient, query: LiveQuery): AsyncGenerator<LiveMessage, never, void> {
  const place = { after: query.after }
  for (let isFirst = true; ; isFirst = false) {
    if (!isFirst) await new Promise((resolve) => setTimeout(resolve, waitMs))
    try {
      yield* onOneConnection(client, query, place)
    } catch (error) {
      if (isFirst || !isPassing(error)) throw error
    }
  }
}

/** Until it ends; `place` is then where to go on. */
async function* onOneConnection(
  client: ApiClient,
  query: LiveQuery,
  place: { after: number | undefined },
): AsyncGenerator<LiveMessage, void, void> {
  const { after } = place
  const body = await client.stream(live, { query: { ...query, ...(after !== undefined && { after }) } })
  for await (const { id, ...message } of messagesOf(body)) {
    place.after = id ?? place.after
    if (isEndByRight(message)) throw new NotLetIn('the session or the right to this is gone')
    yield message
  }
}

function isEndByRight({ event, data }: LiveMessage): boolean {
  return event === 'end' && (data as { readonly reason?: unknown }).reason === 'right'
}

/** What another try may not meet. */
function isPassing(error: unknown): boolean {
  if (error instanceof ApiProblem) return error.status >= 500 || error.status === 429
  return error instanceof Unreachable || (error instanceof TypeError && error.message === 'terminated')
}

/** The fields of each event that has data; comments are left out. */
async function* messagesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<LiveMessage & { readonly id: number | undefined }> {
  let rest = ''
  for await (const text of body.pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>)) {
    const blocks = (rest + text).split('\n\n')
    rest = blocks.pop() ?? ''
    if (rest.length > eventCharactersMax) throw new Unreachable('the server sends what are no events')
    for (const block of blocks) {
      const fields = new Map(
        block.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trimStart()]),
      )
      const [event, data, id] = [fields.get('event'), fields.get('data'), fields.get('id')]
      if (event !== undefined && data !== undefined) yield { event, data: JSON.parse(data), id: id === undefined ? undefined : Number(id) }
    }
  }
}
