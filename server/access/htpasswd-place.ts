/**
 * Where htpasswd files lie that callers of the API name, and whether they are ones.
 *
 * A caller who could name any path could find out what files there are and what is in them, and make users of whatever looks like one. So a provider that is
 * made by the API names a file in one directory, which only whoever runs the server fills; by a plain name, so that there is no way out of it; and what is
 * said of a file that does not fit are numbers of lines and kinds of hashes, nothing of what stands in it. Links are followed: they are the operator's, and
 * Kubernetes mounts secrets as links.
 */
import { join } from 'node:path'
import type { HtpasswdSettings } from '#api/provider-settings.ts'
import type { Files } from '#lib/ports.ts'
import { RegistryError } from '#oci/errors.ts'
import type { Directory } from './directory.ts'
import { maxFileBytes } from './htpasswd-file.ts'
import { parseHtpasswd, type Htpasswd } from './htpasswd.ts'

/** Its name, beside the database. */
export const fileDirectoryName = 'htpasswd.d'
const plainName = /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/
const toldFaults = 10

/** The path of a provider's file. Throws UNSUPPORTED where there is no directory for such files, REQUEST_INVALID for what is no plain name. */
export function pathOfFile({ passwordFiles }: Pick<Directory, 'passwordFiles'>, { path }: Pick<HtpasswdSettings, 'path'>): string {
  if (!plainName.test(path)) throw invalid(`must be the plain name of a file in ${fileDirectoryName}`)
  if (passwordFiles === undefined) {
    const message = `a database in memory has no directory ${fileDirectoryName} beside it: name the file in the configuration (auth.htpasswd)`
    throw new RegistryError('UNSUPPORTED', undefined, { message })
  }
  return join(passwordFiles, path)
}

/** What stands in the file. Throws REQUEST_INVALID when it is none, alike for one that is missing and one that cannot be read. */
export async function readFileOf(directory: Pick<Directory, 'passwordFiles' | 'ports'>, settings: HtpasswdSettings): Promise<Htpasswd> {
  const parsed = await readLinesOf(directory, settings)
  if (parsed.misfits.length === 0) return parsed
  throw invalid(`has lines that do not count: ${listMisfits(parsed)}`)
}

/** The first lines that do not count, by number and kind of fault, and how many more there are. */
export function listMisfits({ misfits }: Pick<Htpasswd, 'misfits'>): string {
  const told = misfits.slice(0, toldFaults).map(({ line, fault }) => `line ${line} ${fault}`)
  const more = misfits.length - told.length
  return `${told.join('; ')}${more > 0 ? `; and ${more} more` : ''}`
}

/** The same with lines that do not count, as a file that changed may have them; the configuration's own is read where the configuration says. */
export async function readLinesOf(directory: Pick<Directory, 'passwordFiles' | 'ports'>, settings: HtpasswdSettings): Promise<Htpasswd> {
  const path = settings.isFromConfiguration ? settings.path : pathOfFile(directory, settings)
  const text = await textAt(path, directory.ports.files)
  if (text !== undefined) return parseHtpasswd(text)
  throw invalid(`is no file in ${fileDirectoryName} that can be read: whoever runs the server puts it beside the database`)
}

async function textAt(path: string, files: Files): Promise<string | undefined> {
  try {
    const found = await files.stat(path)
    // What is no plain file may never end.
    return found.isFile() && found.size <= maxFileBytes ? await files.readFile(path, 'utf8') : undefined
  } catch {
    return undefined
  }
}

function invalid(message: string): RegistryError {
  return new RegistryError('REQUEST_INVALID', [{ path: 'settings/path', message }], { message: `settings/path ${message}` })
}
