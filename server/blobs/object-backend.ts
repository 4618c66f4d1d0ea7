/**
 * What an object store can do, as far as the stores on top of it need: the interface between object-store.ts, which knows uploads, and a service (S3, Azure,
 * Google), which knows requests.
 *
 * The problem: three services differ in requests, signatures and errors, and agree on what matters: objects under names, written whole, in parts, read by range.
 * The way: a backend is one request per call, told once whether it went well: it does not retry (object-retry.ts does), does not buffer, and keeps nothing.
 * Every call may be repeated: one whose answer was lost is sent again. To add a service: implement {@link ObjectBackend}, hand it to `createObjectStore`
 * (object-store.ts), and add it to test/drivers.
 */
import type { Readable } from 'node:stream'

/** Why a request failed, which decides what is done next; the store's words are for the log alone. */
export type ObjectFault =
  /** Slow down (429, 503 SlowDown, 500): later, and not at once. */
  | 'busy'
  /** No answer, half an answer, or one that makes no sense: the next attempt may do better. */
  | 'passing'
  /** A quota, or the disk behind it. */
  | 'full'
  /** Wrong or expired credentials, a bucket that is not there, a right that lacks: an operator mends it. */
  | 'refused'
  /** What is asked for is not there: an object, a multipart upload. */
  | 'absent'
  /** The condition of a put or a get does not hold. */
  | 'conflict'
  /** The service has no such thing. */
  | 'unsupported'

/** What went wrong with one request. `code` is the service's word (`SlowDown`); the message has no secret and no signed URL in it. */
export class ObjectError extends Error {
  override readonly name = 'ObjectError'
  readonly fault: ObjectFault
  readonly code: string
  /** How long the service wishes to be left alone. */
  readonly retryAfterMs: number | undefined

  constructor(fault: ObjectFault, message: string, more: { code?: string; retryAfterMs?: number | undefined; cause?: unknown } = {}) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause })
    this.fault = fault
    this.code = more.code ?? fault
    this.retryAfterMs = more.retryAfterMs
  }
}

/** What a service says of an object. `etag` changes with its bytes; it is opaque, with its quotes where the service writes them. */
export interface ObjectFacts {
  readonly sizeBytes: number
  readonly etag: string
}

/** An object as a listing meets it. */
export interface ListedObject {
  readonly name: string
  readonly sizeBytes: number
  readonly modifiedAt: number
}

/** An object being read. Whoever gets it reads `body` to its end or destroys it. */
export interface ReadObject {
  readonly body: Readable
  /** Of the whole object. */
  readonly sizeBytes: number
  readonly etag: string
}

/** Bytes to send, in pieces: they stay as they are until the call ends, so that it can be repeated. */
export interface ObjectBytes {
  readonly pieces: readonly Uint8Array[]
  readonly sizeBytes: number
}

/** Only where there is no such object yet, or only in place of the one that has this etag. Throws `conflict` else. */
export type PutCondition = { readonly isAbsent: true } | { readonly etag: string }

/** A part that is stored, in the order in which the object is put together. */
export interface ObjectPart {
  readonly number: number
  readonly etag: string
  readonly sizeBytes: number
}

/** A multipart upload (a block list) of one object. */
export interface Multipart {
  readonly name: string
  readonly multipartId: string
}

/** Bounds of parts. */
export interface PartLimits {
  /** Every part but the last has at least so many bytes. */
  readonly minimumBytes: number
  readonly maximumBytes: number
  readonly maximumParts: number
  /** Of the first parts; later ones are larger, so that {@link maximumParts} hold the largest object. */
  readonly usualBytes: number
}

/** One request of the service each. Names are relative to the store's root. Rejects with {@link ObjectError}, or the signal's reason when it aborts. */
export interface ObjectBackend extends AsyncDisposable {
  /** `s3`, `azure`, `gcs`. */
  readonly name: string
  readonly parts: PartLimits
  /** Writes a whole object and gives its etag. */
  put(name: string, bytes: ObjectBytes, options: { readonly condition?: PutCondition; readonly signal: AbortSignal }): Promise<string>
  /** Reads an object, or bytes `start` to `end` inclusive of it, only while its etag is `etag` where that is given. Resolves when the headers are there; undefined when absent. */
  get(
    name: string,
    options: { readonly range?: { readonly start: number; readonly end: number }; readonly etag?: string; readonly signal: AbortSignal },
  ): Promise<ReadObject | undefined>
  /** Undefined when absent. */
  head(name: string, signal: AbortSignal): Promise<ObjectFacts | undefined>
  /** Absent is fine. At most 1,000 names. */
  remove(names: readonly string[], signal: AbortSignal): Promise<void>
  /** Objects whose name begins with `prefix`, in the order of their names, at most 1,000; `after` is `next` of the page before, and undefined on the last page. */
  list(
    page: { readonly prefix: string; readonly after?: string | undefined; readonly limit: number },
    signal: AbortSignal,
  ): Promise<{ readonly objects: readonly ListedObject[]; readonly next: string | undefined }>
  startMultipart(name: string, signal: AbortSignal): Promise<string>
  /** Stores a part and gives its etag; a part of the same number is replaced. */
  putPart(part: Multipart & { readonly number: number }, bytes: ObjectBytes, signal: AbortSignal): Promise<string>
  /** Puts the object together. Throws `absent` when there is no such multipart upload (any more), `passing` for an answer that says neither. */
  completeMultipart(upload: Multipart, parts: readonly ObjectPart[], signal: AbortSignal): Promise<void>
  /** Absent is fine. */
  abortMultipart(upload: Multipart, signal: AbortSignal): Promise<void>
  /** Multipart uploads of objects whose name begins with `prefix`, for janitors. A service that ends them by itself gives none. */
  listMultiparts(prefix: string, signal: AbortSignal): AsyncIterable<Multipart & { readonly startedAt: number }>
  /** A URL that gives the object to whoever has it, for about so long; undefined where the service or its credentials cannot. No request. */
  presign(name: string, lifetimeMs: number): Promise<string | undefined>
}
