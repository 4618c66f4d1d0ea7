/** Looks whether the object store of the configuration does what blobs need: take, keep, give, sign and delete. */
import { ObjectError, type ObjectBackend } from '#blobs/object-backend.ts'
import { openObjectBackend } from '#blobs/open-backend.ts'
import type { Config } from '#config/config.ts'
import type { Ports } from '#lib/ports.ts'
import { describe, fine, problem, warning, type Diagnosis } from './doctor-check.ts'

const patienceMs = 10_000
const slowMs = 1_000
const content = Buffer.from('berth doctor')

interface Parts {
  readonly config: Config
  readonly ports: Pick<Ports, 'clock' | 'random' | 'timers' | 'files'>
}

interface Look {
  readonly backend: ObjectBackend
  readonly name: string
  readonly signal: AbortSignal
}

/** Writes one object, reads it, makes a URL for it, and removes it. */
export async function checkObjectStore({ config, ports }: Parts): Promise<readonly Diagnosis[]> {
  const place = openObjectBackend(config, ports)
  if (place === undefined) return []
  await using backend = place.backend
  const late = new AbortController()
  using _timer = ports.timers.after(patienceMs, () => late.abort(new Error(`no answer within ${patienceMs / 1_000} s`)))
  const look = { backend, name: `uploads/.berth-doctor-${ports.random.uuid()}`, signal: late.signal }
  const startedAt = ports.clock.monotonic()
  try {
    const found = [await writeAndRead(look), ...(await conditions(look)), ...(await presigned(look, config))]
    await backend.remove([look.name], look.signal)
    const took = Math.round(ports.clock.monotonic() - startedAt)
    return took > slowMs
      ? [...found, warning('storage', `the object store took ${took} ms for five small requests: pushes and pulls wait for it`)]
      : found
  } catch (error) {
    await backend.remove([look.name], look.signal).catch(() => undefined)
    return [problem('storage', `the object store does not do what is needed: ${describe(error)}; see docs/guides/${backend.name}.md`)]
  }
}

async function writeAndRead({ backend, name, signal }: Look): Promise<Diagnosis> {
  await backend.put(name, { pieces: [content], sizeBytes: content.length }, { signal })
  const found = await backend.get(name, { range: { start: 6, end: 11 }, signal })
  if (found === undefined) return problem('storage', 'what the object store took is not there: is it an eventually consistent one?')
  const chunks: Uint8Array[] = []
  for await (const chunk of found.body as AsyncIterable<Uint8Array>) chunks.push(chunk)
  if (!Buffer.concat(chunks).equals(content.subarray(6))) return problem('storage', 'the object store gives other bytes than it took')
  return fine('storage', `the object store (${backend.name}) takes, gives and removes objects`)
}

/** Without conditions two nodes that write to one upload are kept apart by the database alone. */
async function conditions({ backend, name, signal }: Look): Promise<Diagnosis[]> {
  try {
    await backend.put(name, { pieces: [content], sizeBytes: content.length }, { condition: { isAbsent: true }, signal })
  } catch (error) {
    if (error instanceof ObjectError && error.fault === 'conflict') return []
    throw error
  }
  return [
    warning(
      'storage',
      'the object store knows no conditional writes: it works, but nothing in it keeps apart two nodes that write to one upload',
    ),
  ]
}

async function presigned({ backend, name, signal }: Look, { storage }: Config): Promise<Diagnosis[]> {
  if (storage.redirects?.disabled === true || storage.redirects?.cdn !== undefined) return []
  const url = await backend.presign(name, 60_000)
  if (url === undefined) return [warning('storage', 'the object store signs no URLs: all blobs pass through the registry')]
  // Clients do the same: where this machine cannot, others may, so it is no more than a hint.
  const answer = await fetch(url, { signal, redirect: 'manual' }).catch((error: unknown) => describe(error))
  if (typeof answer === 'string') return [warning('storage', `a URL for clients cannot be fetched from here: ${answer}`)]
  await answer.body?.cancel()
  return answer.status === 200
    ? []
    : [problem('storage', `a URL for clients is answered with ${answer.status}: pulls fail; set storage.redirect.disable or mend it`)]
}
