/** The thread in which manifest-parser.ts has large manifests parsed. */
import { serveTasks } from '#lib/worker-task.ts'
import { parseImageConfig } from './image-config.ts'
import { parseManifest } from './manifest.ts'

/** A document and its Content-Type, the arguments of `parseManifest`; without one it is the config of an image. */
export interface ParseManifestTask {
  readonly bytes: Uint8Array
  readonly contentType: string | undefined
}

/** What was parsed, as JSON: three maps of 10,000 names take the reader 5 ms to parse, but up to 40 ms to clone. */
export type ParseManifestOutput = string

serveTasks<ParseManifestTask, ParseManifestOutput>(({ bytes, contentType }) =>
  JSON.stringify(contentType === undefined ? parseImageConfig(bytes) : parseManifest(bytes, contentType)),
)
