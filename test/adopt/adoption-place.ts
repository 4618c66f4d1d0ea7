/** A place to adopt in: a temporary root with a database, and what the database says afterwards. */
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { adoptRegistry2, type AdoptionOptions, type AdoptionParts, type AdoptionReport } from '#features/adopt.ts'
import type { Problem } from '#features/registry2-report.ts'
import { systemPorts } from '#lib/ports.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { openTestDatabase } from '#metadata/test-database.ts'
import { digestFromBytes } from '#oci/digest.ts'
import { Registry2Directory } from './registry2-directory.ts'

export const silent = pino({ level: 'silent' })

export interface AdoptionPlace extends AsyncDisposable {
  readonly root: string
  readonly directory: Registry2Directory
  readonly metadata: Metadata
  readonly parts: AdoptionParts
  adopt(options?: Partial<AdoptionOptions>): Promise<AdoptionReport & { readonly found: readonly Problem[] }>
  /** Closes the database and opens it again, as a restart does. */
  reopen(): Promise<void>
}

export function adoptionParts(metadata: Metadata, rootDirectory: string): AdoptionParts {
  const context = { ports: systemPorts, log: silent }
  return { metadata, storeName: 'filesystem', rootDirectory, garbageDelayMs: 3_600_000, manifestBytes: 4 * 1024 * 1024, context }
}

export async function openPlace(): Promise<AdoptionPlace> {
  const root = await mkdtemp(join(tmpdir(), 'berth-adopt-'))
  const open = () => openTestDatabase(join(root, 'berth.db'), { log: silent })
  let metadata = await open()
  return {
    root,
    directory: new Registry2Directory(root),
    get metadata() {
      return metadata
    },
    get parts() {
      return adoptionParts(metadata, root)
    },
    async adopt(options = {}) {
      const found: Problem[] = []
      const report = await adoptRegistry2(adoptionParts(metadata, root), {
        verify: 'size',
        onProblems: (problems) => found.push(...problems),
        ...options,
      })
      return { ...report, found }
    },
    async reopen() {
      await metadata[Symbol.asyncDispose]()
      metadata = await open()
    },
    async [Symbol.asyncDispose]() {
      await metadata[Symbol.asyncDispose]()
      await rm(root, { recursive: true, force: true })
    },
  }
}

/** Everything an adoption writes, by names and digests instead of ids. */
export async function contentsOf({ reader }: Metadata) {
  const links = await reader
    .selectFrom('repository_blobs as rb')
    .innerJoin('repositories as r', 'r.id', 'rb.repository_id')
    .innerJoin('blobs as b', 'b.id', 'rb.blob_id')
    .select(['r.name', 'b.digest', 'b.state', 'b.key', 'b.size_bytes'])
    .execute()
  const manifests = await reader
    .selectFrom('manifests as m')
    .innerJoin('repositories as r', 'r.id', 'm.repository_id')
    .select(['r.name', 'm.digest', 'm.media_type', 'm.artifact_type', 'm.subject_digest', 'm.size_bytes'])
    .execute()
  const references = await reader
    .selectFrom('manifest_blobs as mb')
    .innerJoin('manifests as m', 'm.id', 'mb.manifest_id')
    .innerJoin('repositories as r', 'r.id', 'm.repository_id')
    .innerJoin('blobs as b', 'b.id', 'mb.blob_id')
    .select(['r.name', 'm.digest as manifest', 'b.digest as blob'])
    .execute()
  const children = await reader
    .selectFrom('manifest_children as mc')
    .innerJoin('manifests as m', 'm.id', 'mc.manifest_id')
    .select(['m.digest as manifest', 'mc.child_digest as child'])
    .execute()
  const tags = await reader
    .selectFrom('tags as t')
    .innerJoin('repositories as r', 'r.id', 't.repository_id')
    .innerJoin('manifests as m', 'm.id', 't.manifest_id')
    .select(['r.name', 't.name as tag', 'm.digest'])
    .execute()
  const text = digestFromBytes
  return {
    repositories: (await reader.selectFrom('repositories').select('name').execute()).map((row) => row.name).sort(),
    links: links.map((row) => `${row.name} ${text(row.digest)} ${row.state} ${row.size_bytes} ${row.key}`).sort(),
    manifests: manifests
      .map(
        (row) =>
          `${row.name} ${text(row.digest)} ${row.media_type} ${row.artifact_type} ${row.subject_digest && text(row.subject_digest)} ${row.size_bytes}`,
      )
      .sort(),
    references: references.map((row) => `${row.name} ${text(row.manifest)} ${text(row.blob)}`).sort(),
    children: children.map((row) => `${text(row.manifest)} ${text(row.child)}`).sort(),
    tags: tags.map((row) => `${row.name}:${row.tag} ${text(row.digest)}`).sort(),
  }
}

/** Path, content and time of every file: to prove that nothing was touched. */
export async function snapshot(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  const lines = entries
    .filter((entry) => entry.isFile())
    .map(async (entry) => {
      const path = join(entry.parentPath, entry.name)
      const { mtimeMs, nlink, ino } = await stat(path)
      return `${path} ${mtimeMs} ${nlink} ${ino} ${(await readFile(path)).toString('base64')}`
    })
  return (await Promise.all(lines)).sort()
}
