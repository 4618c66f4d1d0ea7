/** Whether what a command names with `--at`, or the configuration with `backup.store`, can be a place for backups: sentences for what it cannot, before anything is made. */
import type { Stats } from 'node:fs'
import { dirname, resolve, sep } from 'node:path'
import { systemCode } from '#blobs/storage-error.ts'
import type { Config } from '#config/config.ts'
import { describeStorage, isSamePart } from '#config/storage-place.ts'
import { BackupRefused } from '#features/backup-repository.ts'
import type { Ports } from '#lib/ports.ts'

/** What is packed otherwise than Berth packs. */
const packed = /\.(?:tar\.\w+|tgz|tbz2?|txz|tzst|zip)$/iu

type Looking = Pick<Ports, 'files'>

/** Throws {@link BackupRefused} for a file, and for a name that is that of a packed archive. */
export async function requireDirectoryPlace(path: string, { files }: Looking): Promise<void> {
  const facts = await files.stat(path).catch(absentAsUndefined)
  if (facts?.isDirectory() === true) return
  if (packed.test(path))
    throw new BackupRefused(
      `${path} would be a directory of that name: an archive ends with .tar and is packed by nobody (--at - | gzip > … packs it; unpack it before it is read)`,
    )
  const file = facts === undefined ? await fileAbove(path, { files }) : path
  if (file !== undefined)
    throw new BackupRefused(
      `${file} is a file, and backups lie in a directory, or in an archive whose name ends with .tar: name another place`,
    )
  if (await isAmongProcesses(path, { files }))
    throw new BackupRefused(`${path} would lie among the kernel's own files, where nothing can be made: name another place`)
}

/** `f_type` of /proc (linux/magic.h). Who makes directories below it with Node waits for ever. */
const processFiles = 0x9fa0

async function isAmongProcesses(path: string, { files }: Looking): Promise<boolean> {
  for (let parent = dirname(path); ; parent = dirname(parent)) {
    const facts = await files.statfs(parent).catch(absentAsUndefined)
    if (facts !== undefined || parent === dirname(parent)) return facts?.type === processFiles
  }
}

async function fileAbove(path: string, { files }: Looking): Promise<string | undefined> {
  for (let parent = dirname(path); parent !== dirname(parent); parent = dirname(parent)) {
    const facts = await files.stat(parent).catch(absentAsUndefined)
    if (facts !== undefined) return facts.isDirectory() ? undefined : parent
  }
  return undefined
}

/** Throws {@link BackupRefused} for a place among what the registry keeps, and for one that this lies in: what takes the one would take the other, too. */
export async function requirePlaceElsewhere(path: string, { storage, database }: Kept, looking: Looking): Promise<void> {
  const roots = [storage.rootDirectory, ...storage.others.map(({ rootDirectory }) => rootDirectory), storage.readThrough?.directory]
  const ofDatabase = database.driver === 'sqlite' && database.file !== ':memory:' ? dirname(database.file) : undefined
  for (const root of new Set(roots))
    if (root !== undefined && (await isWithin(path, root, looking)))
      throw new BackupRefused(
        `${path} lies in ${root}, the registry's own data: what takes that takes the backups with it, name a place elsewhere`,
      )
  for (const root of new Set([...roots, ofDatabase]))
    if (root !== undefined && (await isWithin(root, path, looking)))
      throw new BackupRefused(`${root}, the registry's own data, lies in ${path}: backups are not kept around it, name a place elsewhere`)
}

type Kept = Pick<Config, 'storage' | 'database'>

/** Throws {@link BackupRefused} where `backup.store` can be no place for backups, before anything is served. */
export async function requireBackupsElsewhere(
  { backup: { place }, storage, database }: Kept & Pick<Config, 'backup'>,
  looking: Looking,
): Promise<void> {
  if (place === undefined) return
  try {
    for (const store of [storage, ...storage.others])
      if (isSamePart(place, store))
        throw new BackupRefused(
          `${describeStorage(place) ?? ''} is where blobs are, or around or among them: name another bucket, or a prefix beside theirs`,
        )
    if (place.rootDirectory === undefined) return
    await requireDirectoryPlace(place.rootDirectory, looking)
    await requirePlaceElsewhere(place.rootDirectory, { storage, database }, looking)
  } catch (error) {
    throw error instanceof BackupRefused ? new BackupRefused(`backup.store: ${error.message}`) : error
  }
}

/** By its name, or by that of another directory that leads there. What is not there yet counts as where it would be made. */
async function isWithin(inner: string, outer: string, { files }: Looking): Promise<boolean> {
  const [from, to] = [resolve(inner), resolve(outer)]
  if (from === to || from.startsWith(to === sep ? to : to + sep)) return true
  const wanted = await files.stat(to).catch(absentAsUndefined)
  if (wanted === undefined) return false
  const isThere = (facts: Stats | undefined, other: Stats) => facts?.dev === other.dev && facts.ino === other.ino
  let at = from
  let facts = await files.stat(at).catch(absentAsUndefined)
  for (; facts === undefined && at !== dirname(at); at = dirname(at)) facts = await files.stat(dirname(at)).catch(absentAsUndefined)
  // Up from there the system follows links, where a name cut short would not.
  for (let before: Stats | undefined; facts !== undefined && !isThere(before, facts); at += `${sep}..`) {
    if (isThere(facts, wanted)) return true
    before = facts
    facts = await files.stat(`${at}${sep}..`).catch(absentAsUndefined)
  }
  return false
}

function absentAsUndefined(error: unknown): undefined {
  const code = systemCode(error)
  if (code !== 'ENOENT' && code !== 'ENOTDIR') throw error
}
