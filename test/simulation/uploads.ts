/** Clients that upload: in one request, in several, cut and resumed, two at once. */
import { cancelUpload } from '#registry/cancel-upload.ts'
import { abandonUpload, appendUpload, finishUpload, pushWholeBlob, startUpload, statUpload } from '#registry/push-blob.ts'
import type { Actor } from '#registry/registry.ts'
import type { RepositoryName } from '#oci/reference.ts'
import { blobs, repositories, type SimBlob } from './content.ts'
import type { SimProcess } from './process.ts'
import { request, type Answer } from './requests.ts'
import { minuteMs, type World } from './world.ts'

/** An upload that its client may go on with. */
export interface SimUpload {
  readonly uploadId: string
  readonly repository: RepositoryName
  readonly blob: SimBlob
  /** Bytes that were acknowledged, until somebody began to finish it: a request that dies there may have taken the bytes for a blob. */
  ackedBytes: number
  /** Somebody may have ended it, or it became a blob. */
  isOver: boolean
  /** Power was cut: bytes that nobody acknowledged may be there as zeros, which the digest shows at the end. */
  mayBeTorn: boolean
}

/** Where a client works: the process that it reaches. */
export interface Client {
  readonly world: World
  readonly process: SimProcess
  readonly uploads: SimUpload[]
}

const signal = new AbortController().signal

async function* bodyOf(client: Client, bytes: Uint8Array, isCut = false): AsyncGenerator<Uint8Array> {
  const { world, process } = client
  const size = Math.max(1, Math.ceil(bytes.length / 3))
  for (let start = 0; start < bytes.length; start += size) {
    // A client sends when it can.
    await process.ports.timers.sleep(1)
    yield Buffer.from(bytes.subarray(start, start + size))
    if (isCut) {
      world.scheduler.note('cut')
      throw new Error('the connection broke')
    }
  }
}

/** The lease of a blob, from the beginning of the request that gave it. */
export function leaseMs({ world }: Client): number {
  return world.profile.garbageDelayMinutes * minuteMs
}

function promise(
  { world, ...client }: Client,
  answer: Answer<unknown>,
  place: { readonly repository: RepositoryName; readonly blob: SimBlob },
): boolean {
  if (answer.kind !== 'done') return false
  const { repository, blob } = place
  world.model.promise(answer.call, { repository, digest: blob.digest, forMs: leaseMs({ world, ...client }) })
  return true
}

/** True: it was acknowledged. `way` 0 to 99. */
export async function upload(
  client: Client,
  repository: RepositoryName,
  { blob, way }: { readonly blob: SimBlob; readonly way: number },
): Promise<boolean> {
  const { world, process } = client
  if (way < 55) {
    const { digest, bytes } = blob
    const input = { digest, body: bodyOf(client, bytes), signal, ...(way < 35 && { contentLength: bytes.length }) }
    const answer = await request(world, process, {
      what: `upload whole ${repository} ${digest.slice(7, 15)}`,
      run: (actor) => pushWholeBlob(process.registry, repository, actor, input),
    })
    return promise(client, answer, { repository, blob })
  }
  const begun = await begin(client, { repository, blob, pieces: way % 3 })
  return begun !== undefined && (await finish(client, begun, begun.ackedBytes))
}

/** Opens an upload and sends some of it. */
export async function begin(
  client: Client,
  { repository, blob, pieces }: { readonly repository: RepositoryName; readonly blob: SimBlob; readonly pieces: number },
): Promise<SimUpload | undefined> {
  const { world, process } = client
  const started = await request(world, process, {
    what: `start ${repository}`,
    run: (actor) => startUpload(process.registry, repository, actor),
  })
  if (started.kind === 'not') return undefined
  const upload: SimUpload = { uploadId: started.value.uploadId, repository, blob, ackedBytes: 0, isOver: false, mayBeTorn: false }
  client.uploads.push(upload)
  const half = Math.ceil(blob.bytes.length / 2)
  for (let piece = 0; piece < pieces; piece++) {
    const start = piece === 0 ? 0 : half
    if (!(await append(client, upload, [start, piece === 0 ? half : blob.bytes.length]))) return undefined
  }
  return upload
}

async function append(client: Client, upload: SimUpload, [start, end]: readonly [number, number]): Promise<boolean> {
  if (start === end) return true
  const { world, process } = client
  const bytes = upload.blob.bytes.subarray(start, end)
  const isCut = world.scheduler.random.chance(15)
  const appended = await request(world, process, {
    what: `append ${start} to ${end} of ${upload.uploadId.slice(0, 8)}`,
    run: (actor) =>
      appendUpload(process.registry, targetOf(upload, actor), bodyOf(client, bytes, isCut), {
        range: { start, end: end - 1 },
        contentLength: bytes.length,
        signal,
      }),
  })
  if (appended.kind === 'not') return false
  if (appended.value.offsetBytes !== end)
    world.model.violate(`${appended.call.id} appended up to ${end} and is told ${appended.value.offsetBytes}`)
  upload.ackedBytes = Math.max(upload.ackedBytes, end)
  return true
}

function targetOf({ uploadId, repository }: SimUpload, actor: Actor) {
  return { uploadId, repository, actor }
}

async function finish(client: Client, upload: SimUpload, start: number): Promise<boolean> {
  const { world, process } = client
  const { blob, repository, uploadId } = upload
  const bytes = blob.bytes.subarray(start)
  upload.ackedBytes = 0
  const input = { digest: blob.digest, body: bodyOf(client, bytes), contentLength: bytes.length, signal }
  const answer = await request(world, process, {
    what: `finish ${uploadId.slice(0, 8)} from ${start}`,
    run: (actor) =>
      finishUpload(process.registry, targetOf(upload, actor), {
        ...input,
        ...(bytes.length > 0 && { range: { start, end: blob.bytes.length - 1 } }),
      }),
  })
  upload.isOver ||=
    answer.kind === 'done' || answer.code === 'BLOB_UPLOAD_UNKNOWN' || answer.code === 'DIGEST_INVALID' || answer.code === 'DENIED'
  if (answer.kind === 'not' && answer.code === 'DIGEST_INVALID' && !upload.mayBeTorn)
    world.model.violate(`${answer.call.id} sent the right bytes and is told DIGEST_INVALID`)
  return promise(client, answer, { repository, blob })
}

/** Asks where an upload stands, and goes on; `twice`: as a client does that takes its first request for lost. */
export async function resume(client: Client, { which, twice }: { readonly which: number; readonly twice: boolean }): Promise<void> {
  const { world, process } = client
  const open = client.uploads.filter(({ isOver }) => !isOver)
  const upload = open[which % Math.max(1, open.length)]
  if (upload === undefined) return
  const wasAcked = upload.ackedBytes
  const status = await request(world, process, {
    what: `stat ${upload.uploadId.slice(0, 8)}`,
    run: (actor) => statUpload(process.registry, targetOf(upload, actor)),
  })
  if (status.kind === 'not') {
    if (status.code === 'BLOB_UPLOAD_UNKNOWN') upload.isOver = true
    return
  }
  const { offsetBytes } = status.value
  if (offsetBytes < wasAcked && !hasFaults(world))
    world.model.violate(`upload ${upload.uploadId}: ${wasAcked} bytes were acknowledged, ${offsetBytes} are there`)
  const rest = Math.ceil((upload.blob.bytes.length - offsetBytes) / 2)
  if (!twice) {
    if (world.scheduler.random.chance(50) && rest > 0 && !(await append(client, upload, [offsetBytes, offsetBytes + rest]))) return
    await finish(client, upload, Math.max(upload.ackedBytes, offsetBytes))
    return
  }
  await Promise.all([finish(client, upload, offsetBytes), finish(client, upload, offsetBytes)])
}

function hasFaults({ faults, scheduler }: World): boolean {
  return faults.firstAt <= scheduler.steps
}

/** Ends an upload: its client does, or an operator. */
export async function abandon(
  client: Client,
  { which, byOperator }: { readonly which: number; readonly byOperator: boolean },
): Promise<void> {
  const { world, process } = client
  const open = client.uploads.filter(({ isOver }) => !isOver)
  const upload = open[which % Math.max(1, open.length)]
  if (upload === undefined) return
  upload.isOver = true
  const { uploadId, repository } = upload
  await request<void>(world, process, {
    what: `${byOperator ? 'cancel' : 'abandon'} ${uploadId.slice(0, 8)}`,
    ...(byOperator && { event: 'upload.cancelled' }),
    run: (actor) =>
      byOperator
        ? cancelUpload(process.registry, repository, uploadId, { actor: actor.name, requestId: actor.requestId })
        : abandonUpload(process.registry, targetOf(upload, actor)),
  })
}

/** By the numbers of an operation. */
export function repositoryAt(index: number): RepositoryName {
  return repositories[index] as RepositoryName
}

export function blobAt(index: number): SimBlob {
  return blobs[index] as SimBlob
}
