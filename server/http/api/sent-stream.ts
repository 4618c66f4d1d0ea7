/** Bytes of an answer that are made while they are sent: counted, and given up when nobody takes them. */
import { Readable } from 'node:stream'
import { RegistryError } from '#oci/errors.ts'
import type { Exchange } from '#http/exchange.ts'

/** A reader that takes nothing for so long is gone, and what makes the bytes is others' turn. */
const stalledMs = 60_000

/**
 * Resolves when the first piece is there, so that what cannot be read at all is answered as such. Pieces are copied: they are valid until the next is asked for.
 */
export async function sentStream(exchange: Exchange, pieces: AsyncGenerator<Uint8Array, void, void>): Promise<Readable> {
  if (exchange.request.method === 'HEAD') return Readable.from([])
  const first = await pieces.next()
  const { timers } = exchange.site.parts.ports
  const source = async function* () {
    try {
      for (let piece = first; piece.done !== true; piece = await pieces.next()) {
        const bytes = Buffer.from(piece.value)
        using _stalled = timers.after(stalledMs, () => stream.destroy(new RegistryError('REQUEST_TIMEOUT')))
        yield bytes
        exchange.notes.sentBytes += bytes.length
      }
    } finally {
      await pieces.return()
    }
  }
  const stream = Readable.from(source(), { objectMode: false })
  // A stream that is let go before it is begun does not close what it reads from.
  stream.once('close', () => void pieces.return().catch(() => undefined))
  return stream
}
