/**
 * V4 signed URLs of Google Cloud Storage (GOOG4-RSA-SHA256; https://cloud.google.com/storage/docs/authentication/signatures).
 *
 * A service account's key signs here. Without one (the account of a machine, workload identity) Google signs, a request for each URL: those are remembered for
 * a quarter of their time, and where the right for it lacks, nobody is asked again for a while.
 */
import { createHash } from 'node:crypto'
import type { Clock } from '#lib/ports.ts'
import type { GcsIdentity } from './gcs-requests.ts'
import { encodeQuery } from './s3-sign.ts'

const rememberedMax = 4_096
const restMs = 60_000
const longestSeconds = 7 * 24 * 3_600

/** Signs URLs of one service. */
export class GcsSigner {
  readonly #endpoint: URL
  readonly #identity: Pick<GcsIdentity, 'email' | 'sign'>
  readonly #clock: Pick<Clock, 'now'>
  /** Oldest first. */
  readonly #remembered = new Map<string, { readonly url: string; readonly until: number }>()
  #refusedUntil = 0

  constructor(endpoint: string, identity: Pick<GcsIdentity, 'email' | 'sign'>, clock: Pick<Clock, 'now'>) {
    this.#endpoint = new URL(endpoint)
    this.#identity = identity
    this.#clock = clock
  }

  /** A URL of this path (encoded, bucket and all) that is good for about so long; undefined where nobody signs. */
  async url(path: string, lifetimeMs: number): Promise<string | undefined> {
    const now = this.#clock.now()
    const found = this.#remembered.get(path)
    if (found !== undefined && found.until > now) return found.url
    if (now < this.#refusedUntil) return undefined
    const seconds = Math.min(Math.max(1, Math.ceil(lifetimeMs / 1_000)), longestSeconds)
    // A right that lacks, or whoever signs being away, costs a redirect and no pull: the registry sends the bytes itself.
    const url = await this.#sign(path, seconds, now).catch(() => undefined)
    if (url === undefined) this.#refusedUntil = now + restMs
    else this.#remember(path, { url, until: now + (seconds * 1_000) / 4 })
    return url
  }

  async #sign(path: string, seconds: number, now: number): Promise<string | undefined> {
    const time = `${new Date(now).toISOString().replaceAll(/[-:]|\.\d+/g, '')}`
    const scope = `${time.slice(0, 8)}/auto/storage/goog4_request`
    const { host, pathname, origin } = this.#endpoint
    const place = `${pathname.replace(/\/+$/, '')}${path}`
    const email = await this.#identity.email()
    if (email === undefined) return undefined
    const query = encodeQuery({
      'X-Goog-Algorithm': 'GOOG4-RSA-SHA256',
      'X-Goog-Credential': `${email}/${scope}`,
      'X-Goog-Date': time,
      'X-Goog-Expires': String(seconds),
      'X-Goog-SignedHeaders': 'host',
    })
    const canonical = `GET\n${place}\n${query}\nhost:${host}\n\nhost\nUNSIGNED-PAYLOAD`
    const signed = await this.#identity.sign(`GOOG4-RSA-SHA256\n${time}\n${scope}\n${createHash('sha256').update(canonical).digest('hex')}`)
    return signed && `${origin}${place}?${query}&X-Goog-Signature=${signed.toString('hex')}`
  }

  #remember(path: string, entry: { readonly url: string; readonly until: number }): void {
    this.#remembered.delete(path)
    this.#remembered.set(path, entry)
    if (this.#remembered.size <= rememberedMax) return
    for (const oldest of this.#remembered.keys()) {
      this.#remembered.delete(oldest)
      break
    }
  }
}
