/**
 * Parsing manifests without holding the event loop: small ones at once, large ones in a worker thread.
 * A push of 4 MiB costs the calling thread the copy of its bytes (1 ms) and the reading of the answer (5 ms for 10,000 layers, 15 at worst).
 */
import { createWorkerPool, WorkerError, type WorkerPoolOptions } from '#lib/worker-pool.ts'
import { errorTable, RegistryError, type ErrorCode } from './errors.ts'
import { parseImageConfig, type ImageConfig } from './image-config.ts'
import { parseManifest, type Manifest } from './manifest.ts'
import type { ParseManifestOutput, ParseManifestTask } from './parse-manifest-worker.ts'

/** Bytes that are parsed in place, in about 1 ms (5 ms when they are thousands of annotations): the way to a thread and back costs more. */
const inlineMaxBytes = 65_536

/** Two, so that one slow document does not stop the others. */
const workerCount = 2

/** Parses manifests, and the configs of images, of any size that the registry takes. Disposing ends its threads. */
export interface ManifestParser extends AsyncDisposable {
  /** As `parseManifest`; throws `UNAVAILABLE` as well, when too many large documents wait or one exceeds the limits of its thread. */
  parse(bytes: Uint8Array, contentType: string): Promise<Manifest>
  /** As `parseImageConfig`, with the limits of `parse`. */
  parseConfig(bytes: Uint8Array): Promise<ImageConfig>
}

/** The parser of a process; dispose it to end its threads. */
export function createManifestParser(options?: WorkerPoolOptions): ManifestParser {
  const pool = createWorkerPool(new URL('./parse-manifest-worker.ts', import.meta.url), workerCount, options)
  const inThread = async (bytes: Uint8Array, contentType: string | undefined): Promise<string> => {
    // An exact copy, which then moves: a clone of a view would take all of the buffer beneath it, and a move would take the caller's bytes.
    const copy = Buffer.allocUnsafeSlow(bytes.byteLength)
    copy.set(bytes)
    try {
      return await pool.run<ParseManifestTask, ParseManifestOutput>({ bytes: copy, contentType }, undefined, [copy.buffer])
    } catch (error) {
      throw error instanceof WorkerError ? revive(error) : error
    }
  }
  return {
    async parse(bytes, contentType) {
      if (bytes.byteLength <= inlineMaxBytes) return parseManifest(bytes, contentType)
      return manifestOf(await inThread(bytes, contentType))
    },
    async parseConfig(bytes) {
      if (bytes.byteLength <= inlineMaxBytes) return parseImageConfig(bytes)
      return JSON.parse(await inThread(bytes, undefined)) as ImageConfig
    },
    [Symbol.asyncDispose]: () => pool[Symbol.asyncDispose](),
  }
}

/** Fields that JSON leaves out when they are undefined. */
const absent = { artifactType: undefined, subject: undefined, config: undefined }

function manifestOf(output: ParseManifestOutput): Manifest {
  return { ...absent, ...(JSON.parse(output) as Manifest) }
}

/** The error of the thread as what it was there. */
function revive(error: WorkerError): Error {
  const { thrown } = error
  if (thrown?.name === 'RegistryError' && thrown.code !== undefined && Object.hasOwn(errorTable, thrown.code)) {
    return new RegistryError(thrown.code as ErrorCode, thrown.detail, { message: thrown.message, cause: error })
  }
  if (error.failure === 'thrown') return error
  return new RegistryError('UNAVAILABLE', undefined, {
    cause: error,
    retryAfterSeconds: 1,
    message: 'the document could not be read in time: try again',
  })
}
