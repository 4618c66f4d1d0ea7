/**
 * Proves backups: every file is there and is what was written, every blob hashes to its digest, every manifest too. A blob that does not is noted in the place
 * (backup-damage.ts), for the next backup to write it anew.
 */
import { mapLimited } from '#lib/map-limited.ts'
import type { Ports } from '#lib/ports.ts'
import { createDigestHash, digestAlgorithm, digestFromBytes, digestOf, digestOfHash, parseDigest, type Digest } from '#oci/digest.ts'
import { forgetDamaged, noteDamaged, readDamaged } from './backup-damage.ts'
import { lockRepository } from './backup-locks.ts'
import { backupDirectory, listBackupIds, readRecord, type BackupRecord } from './backup-record.ts'
import { BackupRefused, readText, type BackupRepository } from './backup-repository.ts'
import { linesOf, readRowsText } from './backup-rows.ts'
import { BackupBroken } from './backup-seal.ts'

/** A blob that a backup names. */
export interface ListedBlob {
  readonly digest: Digest
  readonly sizeBytes: number
  /** Whether its bytes could be had when the backup was made. */
  readonly isThere: boolean
}

/** The blobs of a backup. Throws {@link BackupBroken} where the list is not what was written. */
export async function* backupBlobs(repository: BackupRepository, record: BackupRecord, signal: AbortSignal): AsyncGenerator<ListedBlob> {
  for await (const line of linesOf(readText(repository, `${backupDirectory(record.id)}/digests`, record.digests, signal))) {
    const [text, sizeBytes, isThere] = JSON.parse(line.toString('utf8')) as readonly [string, number, number]
    const digest = parseDigest(text)
    if (digest === undefined) throw new BackupBroken(`the list of blobs of ${record.id} names ${text}`)
    yield { digest, sizeBytes, isThere: isThere === 1 }
  }
}

/** What was looked at, and what is wrong: a sentence each. */
export interface BackupVerification {
  readonly backups: number
  readonly blobs: number
  readonly bytes: number
  readonly problems: readonly string[]
  /** Backups that something is wrong with. */
  readonly broken: readonly string[]
}

/** Which backups, and how far. */
export interface VerifyOptions {
  readonly signal: AbortSignal
  /** Undefined: all. */
  readonly id?: string | undefined
  /** Blobs are looked at by their size alone. */
  readonly isQuick?: boolean | undefined
  readonly onProgress?: ((progress: { readonly blobs: number; readonly bytes: number }) => void) | undefined
}

const blobsAtOnce = 4
const blobsTogether = 64
const problemsMax = 1_000

/** Reads all that there is of them. A blob that several need is read once. */
export async function verifyBackups(
  repository: BackupRepository,
  options: VerifyOptions,
  ports: Pick<Ports, 'clock' | 'random' | 'timers'>,
): Promise<BackupVerification> {
  await using _lock = await lockRepository(repository.files, 'reads', ports)
  const ids = options.id === undefined ? (await listBackupIds(repository)).ids : [options.id]
  if (ids.length === 0) throw new BackupRefused(`there is no backup at ${repository.files.place}, or none that came to its end`)
  const run: Run = { repository, options, damaged: await readDamaged(repository), seen: new Map(), blobs: 0, bytes: 0 }
  const [problems, broken]: [string[], string[]] = [[], []]
  for (const id of ids) {
    const found = await problemsOf(run, id)
    if (found.length > 0) broken.push(id)
    problems.push(...found.map((problem) => `${id}: ${problem}`).slice(0, Math.max(0, problemsMax - problems.length)))
  }
  return { backups: ids.length, blobs: run.blobs, bytes: run.bytes, problems, broken }
}

interface Run {
  readonly repository: BackupRepository
  readonly options: VerifyOptions
  /** Names of blobs that were noted before. */
  readonly damaged: ReadonlySet<string>
  /** What is wrong with blobs that were looked at; undefined: nothing. */
  readonly seen: Map<Digest, string | undefined>
  blobs: number
  bytes: number
}

async function problemsOf(run: Run, id: string): Promise<string[]> {
  const { repository, options } = run
  const problems: string[] = []
  // A backup that is not there is the caller's mistake.
  const record = await readRecord(repository, id, options.signal).catch((error: unknown) => noted(problems, error))
  if (record === undefined) return problems
  await checkRows(run, record, problems).catch((error: unknown) => noted(problems, error))
  await checkBlobs(run, record, problems).catch((error: unknown) => noted(problems, error))
  return problems
}

function noted(problems: string[], error: unknown): undefined {
  if (!(error instanceof BackupBroken)) throw error
  problems.push(error.message)
}

async function checkRows({ repository, options }: Run, record: BackupRecord, problems: string[]): Promise<void> {
  const counts: Record<string, number> = {}
  const text = readText(repository, `${backupDirectory(record.id)}/rows`, record.rows, options.signal)
  for await (const piece of brokenAs(readRowsText(text), 'the rows')) {
    if ('head' in piece) continue
    counts[piece.table] = (counts[piece.table] ?? 0) + piece.rows.length
    if (piece.table !== 'manifests') continue
    for (const { digest, payload } of piece.rows) {
      const known = digestFromBytes(digest as Uint8Array)
      if (digestOf(payload as Uint8Array, digestAlgorithm(known)) !== known) problems.push(`manifest ${known} is not what its digest says`)
    }
  }
  for (const [table, count] of Object.entries(record.rows.counts))
    if ((counts[table] ?? 0) !== count) problems.push(`${table} has ${counts[table] ?? 0} rows, not ${count}`)
}

/** What cannot be unpacked was changed, too. */
export async function* brokenAs<T>(items: AsyncIterable<T>, what: string): AsyncGenerator<T> {
  try {
    yield* items
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    if (code.startsWith('Z_') || error instanceof SyntaxError) throw new BackupBroken(`${what} cannot be unpacked`, { cause: error })
    throw error
  }
}

async function checkBlobs(run: Run, record: BackupRecord, problems: string[]): Promise<void> {
  let waiting: ListedBlob[] = []
  const flush = async () => {
    const checked = await mapLimited(waiting, blobsAtOnce, async (blob) => await checkBlob(run, blob))
    problems.push(...checked.filter((problem) => problem !== undefined))
    waiting = []
  }
  for await (const blob of brokenAs(backupBlobs(run.repository, record, run.options.signal), 'the list of blobs')) {
    if (blob.isThere) waiting.push(blob)
    if (waiting.length >= blobsTogether) await flush()
  }
  await flush()
}

async function checkBlob(run: Run, blob: ListedBlob): Promise<string | undefined> {
  if (run.seen.has(blob.digest)) return run.seen.get(blob.digest)
  const problem = await problemOfBlob(run, blob)
  run.seen.set(blob.digest, problem)
  run.blobs++
  run.options.onProgress?.({ blobs: run.blobs, bytes: run.bytes })
  return problem
}

async function problemOfBlob(run: Run, { digest, sizeBytes }: ListedBlob): Promise<string | undefined> {
  const { files, seal } = run.repository
  const { isQuick = false } = run.options
  const name = seal.blobName(digest)
  const facts = await files.stat(name)
  if (facts === undefined) return await withNote(run, name, `blob ${digest} is not there (${name})`)
  if (facts.sizeBytes !== seal.sizeOf(sizeBytes)) return await withNote(run, name, `blob ${digest} has another size (${name})`)
  // Those that are noted are read again by a verification that reads.
  if (isQuick) return run.damaged.has(name) ? damageText(digest, `${name}: found by one that read it`) : undefined
  const problem = await problemOfBytes(run, digest)
  if (problem === undefined) {
    if (run.damaged.has(name)) await forgetDamaged(run.repository, name)
    return undefined
  }
  return await withNote(run, name, problem)
}

async function withNote({ repository, damaged }: Run, name: string, problem: string): Promise<string> {
  const isNoted = damaged.has(name) || (await noteDamaged(repository, name))
  return isNoted ? `${problem}; the next backup writes it anew, if the registry has it` : problem
}

function damageText(digest: Digest, where: string): string {
  return `blob ${digest} is not what its digest says (${where})`
}

async function problemOfBytes(run: Run, digest: Digest): Promise<string | undefined> {
  const { files, seal } = run.repository
  const { signal } = run.options
  const name = seal.blobName(digest)
  const pieces = await files.read(name, signal)
  if (pieces === undefined) return `blob ${digest} is not there (${name})`
  const algorithm = digestAlgorithm(digest)
  const hash = createDigestHash(algorithm)
  try {
    for await (const piece of seal.open(name, pieces)) {
      hash.update(piece)
      run.bytes += piece.length
    }
  } catch (error) {
    if (error instanceof BackupBroken) return `blob ${digest}: ${error.message}`
    throw error
  }
  return digestOfHash(algorithm, hash) === digest ? undefined : damageText(digest, name)
}
