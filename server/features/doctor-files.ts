/** The data directory and the files that the configuration names: are they there, whose are they, can they be used. */
import type { Stats } from 'node:fs'
import { dirname, join } from 'node:path'
import { parseHtpasswd, type Htpasswd } from '#access/htpasswd.ts'
import type { Config } from '#config/config.ts'
import { isObjectStore } from '#config/storage-place.ts'
import { databaseFileOf } from '#config/database-place.ts'
import { formatBytes } from '#lib/format-bytes.ts'
import type { Ports } from '#lib/ports.ts'
import { checkObjectStore } from './doctor-object-store.ts'
import { codeOf, describe, fine, problem, warning, type Diagnosis } from './doctor-check.ts'

/** What the checks look with. */
export interface DoctorParts {
  readonly config: Config
  readonly ports: Pick<Ports, 'clock' | 'files' | 'random' | 'timers'>
}

/** How far the clock of a file server may be from ours. */
const clockSkewMs = 5_000

/** Whether bytes can be made durable in the data directory, and whether its clock is ours. Leaves nothing behind. */
export async function checkStore({ config, ports }: DoctorParts): Promise<readonly Diagnosis[]> {
  const root = config.storage.rootDirectory
  if (isObjectStore(config.storage)) return checkObjectStore({ config, ports })
  if (root === undefined) return [warning('storage', 'blobs are kept in memory and end with the process: for trials only')]
  const facts = await statOf(ports, root)
  if (facts === undefined) return [await describeMissing(ports, root)]
  if (!facts.isDirectory()) return [problem('storage', `${root} is no directory: name another in storage.filesystem.rootdirectory`)]
  return [...ownerOf(facts, root), ...(await probe(ports, root))]
}

async function describeMissing({ files }: DoctorParts['ports'], root: string): Promise<Diagnosis> {
  for (let parent = dirname(root); ; parent = dirname(parent)) {
    const facts = await statOf({ files }, parent)
    if (facts === undefined && parent !== dirname(parent)) continue
    const isWritable = await files.access(parent, 0o2).then(
      () => true,
      () => false,
    )
    if (isWritable) return warning('storage', `${root} is not there: the first start makes it. If it should be there, is its disk mounted?`)
    return problem('storage', `${root} is not there and cannot be made in ${parent}: make it, for the user of the server`)
  }
}

function ownerOf({ uid, mode }: { readonly uid: number; readonly mode: number }, root: string): Diagnosis[] {
  const own = process.getuid?.()
  if (own !== undefined && own !== uid && own !== 0)
    return [warning('storage', `${root} belongs to the user ${uid}, and this is ${own}: run the server and its commands as the same user`)]
  if (own === 0 && uid !== 0)
    return [warning('storage', `${root} belongs to the user ${uid}, and this is root: what root makes there the server may not read`)]
  if ((mode & 0o002) !== 0) return [problem('storage', `everybody may write to ${root}: chmod o-w it`)]
  return []
}

async function probe({ clock, files, random }: DoctorParts['ports'], root: string): Promise<Diagnosis[]> {
  const path = join(root, `.berth-doctor-${random.uuid()}`)
  try {
    await using handle = await files.open(path, 'wx', 0o600)
    await handle.write('berth doctor')
    const before = clock.monotonic()
    await handle.sync()
    const took = Math.round(clock.monotonic() - before)
    const skew = Math.round((await handle.stat()).mtimeMs - clock.now())
    await files.unlink(path)
    const slow = took > 1_000 ? [warning('storage', `making 12 bytes durable took ${took} ms: pushes wait for this`)] : []
    const said = slow.length > 0 ? slow : [fine('storage', `${root} takes bytes and makes them durable (${took} ms)`)]
    if (Math.abs(skew) <= clockSkewMs)
      return [...said, fine('clock', `the clock of the file system and this machine’s are in step (${Math.abs(skew)} ms)`)]
    return [...said, warning('clock', `the clock of the file system is ${skew} ms from this machine's: keep both in step (NTP)`)]
  } catch (error) {
    await files.unlink(path).catch(() => undefined)
    return [problem('storage', `${root} cannot be written to (${codeOf(error) ?? describe(error)}): pushes fail until that is mended`)]
  }
}

/** Free space against `storage.minfreespace`. */
export async function checkSpace({ config, ports }: DoctorParts): Promise<readonly Diagnosis[]> {
  const { rootDirectory: root, minimumFreeBytes } = config.storage
  if (root === undefined || (await statOf(ports, root)) === undefined) return []
  const { bavail, blocks, bsize, ffree, files: inodes } = await ports.files.statfs(root)
  const [free, total] = [bavail * bsize, blocks * bsize]
  const told = `${formatBytes(free)} of ${formatBytes(total)} are free`
  if (free < minimumFreeBytes)
    return [
      problem(
        'free space',
        `${told}, less than storage.minfreespace (${formatBytes(minimumFreeBytes)}): pushes are refused; see berth usage and berth garbage-collect`,
      ),
    ]
  if (inodes > 0 && ffree / inodes < 0.01) return [problem('free space', `${told}, but ${ffree} more files alone can be made (inodes)`)]
  if (total > 0 && free / total < 0.1)
    return [warning('free space', `${told}: below a tenth it is time to add a disk or a retention policy`)]
  return [fine('free space', told)]
}

/** Who may read the database and the keys. */
export async function checkPrivacy({ config, ports }: DoctorParts): Promise<readonly Diagnosis[]> {
  const found: Diagnosis[] = []
  const { tls } = config.http
  const keys = [tls?.key, tls?.selfSigned?.authorityKey, ...(tls?.certificates ?? []).map(({ key }) => key)]
  const secret = [databaseFileOf(config.database), config.secrets.keyFile, ...keys]
  for (const file of secret) {
    if (file === undefined) continue
    const facts = await statOf(ports, file)
    if (facts === undefined) continue
    if ((facts.mode & 0o007) !== 0) found.push(problem('permissions', `everybody on this machine may use ${file}: chmod o= it`))
    else found.push(fine('permissions', `${file} is not for everybody`))
  }
  return found
}

const saidLinesMax = 10

/** How many lines do not count, and which. */
function misfitSentence(path: string, misfits: Htpasswd['misfits']): string {
  const [first, ...others] = misfits
  const said = misfits.slice(0, saidLinesMax).map(({ line }) => line)
  const more = misfits.length > said.length ? ` and ${misfits.length - said.length} more` : ''
  const numbers = others.length === 0 ? '' : ` (${said.join(', ')}${more})`
  return `${misfits.length} lines of ${path} do not count${numbers}; line ${first?.line ?? 0} ${first?.fault ?? ''}: htpasswd -B makes lines that do`
}

/** The file of users. */
export async function checkHtpasswd({ config, ports }: DoctorParts): Promise<readonly Diagnosis[]> {
  if (config.auth.kind !== 'htpasswd') return []
  const { path } = config.auth
  let text: string
  try {
    text = await ports.files.readFile(path, 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [warning('htpasswd', `${path} is not there: the next start makes it, with one user`)]
    return [problem('htpasswd', `${path} cannot be read (${codeOf(error) ?? describe(error)}): nobody can sign in`)]
  }
  const { hashes, misfits } = parseHtpasswd(text)
  if (misfits.length > 0) return [warning('htpasswd', misfitSentence(path, misfits))]
  if (hashes.size === 0) return [warning('htpasswd', `${path} has no user: nobody can sign in by it`)]
  return [fine('htpasswd', `${path} has ${hashes.size} users`)]
}

/** Undefined when it is not there. */
export async function statOf({ files }: Pick<DoctorParts['ports'], 'files'>, path: string): Promise<Stats | undefined> {
  try {
    return await files.stat(path)
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined
    throw error
  }
}
