/** Whether what a command names with `--at` can be a place for backups: sentences for what it cannot, before anything is made. */
import { dirname, resolve, sep } from 'node:path'
import { systemCode } from '#blobs/storage-error.ts'
import type { Config } from '#config/config.ts'
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
}

async function fileAbove(path: string, { files }: Looking): Promise<string | undefined> {
  for (let parent = dirname(path); parent !== dirname(parent); parent = dirname(parent)) {
    const facts = await files.stat(parent).catch(absentAsUndefined)
    if (facts !== undefined) return facts.isDirectory() ? undefined : parent
  }
  return undefined
}

/** Throws {@link BackupRefused} for a place among the blobs: what takes them would take the backups, too. */
export async function requirePlaceElsewhere(path: string, { storage }: Pick<Config, 'storage'>, { files }: Looking): Promise<void> {
  const roots = [storage.rootDirectory, ...storage.others.map(({ rootDirectory }) => rootDirectory)].filter((root) => root !== undefined)
  for (const root of roots) {
    const own = await files.stat(root).catch(absentAsUndefined)
    for (let at = resolve(path); ; at = dirname(at)) {
      const facts = own && (await files.stat(at).catch(absentAsUndefined))
      // By another name, too.
      const isSame = at === resolve(root) || (facts !== undefined && facts.dev === own?.dev && facts.ino === own.ino)
      if (isSame)
        throw new BackupRefused(
          `${path} lies in ${root}, the registry's own data: what takes that takes the backups with it, name a place elsewhere`,
        )
      if (at === dirname(at) || at === sep) break
    }
  }
}

function absentAsUndefined(error: unknown): undefined {
  const code = systemCode(error)
  if (code !== 'ENOENT' && code !== 'ENOTDIR') throw error
}
