/**
 * The keys that seal secrets in rows, from the configuration or from a file that the first start makes.
 *
 * The file is published whole by a hard link, which fails when there is one, so of several processes that start at once all end with the same key, and a
 * crash leaves no half of one. Losing the file loses what it sealed: sealed values say so when they are opened.
 */
import { dirname } from 'node:path'
import { parseSecretKey, splitSecretKeys } from '#config/keys-access.ts'
import type { SecretsConfig } from '#config/config.ts'
import type { Ports } from '#lib/ports.ts'

const keyBytes = 32
const comment = '# Seals secrets in the database of Berth. Keep a copy apart from the database.\n'

/** The keys, of which the first seals. Throws when the file cannot be read or made, or holds anything else. */
export async function loadSecretKeys(
  { keys, keyFile }: SecretsConfig,
  { files, random }: Pick<Ports, 'files' | 'random'>,
): Promise<readonly Uint8Array[]> {
  if (keys.length > 0) return keys
  if (keyFile === undefined) return [random.bytes(keyBytes)]
  try {
    const written = (await readIfThere(keyFile, files)) ?? (await publish(keyFile, { files, random }))
    return parseKeyFile(written)
  } catch (cause) {
    throw new Error(`secrets.keyfile: ${keyFile} cannot be used`, { cause })
  }
}

/** Makes the file of that text, unless there is one; says whether it did. Throws for a text that is no file of keys. */
export async function restoreKeyFile(keyFile: string, text: string, ports: Pick<Ports, 'files' | 'random'>): Promise<boolean> {
  parseKeyFile(text)
  if (await isKeyFileThere(keyFile, ports.files)) return false
  return (await publish(keyFile, ports, text)) === text
}

/** Throws when there is no key, or a line that is none. Its text is not repeated. */
export function parseKeyFile(written: string): readonly Uint8Array[] {
  const keys = splitSecretKeys(written).map(parseSecretKey)
  const known = keys.filter((key) => key !== undefined)
  if (known.length === 0 || known.length < keys.length) throw new Error('it must hold 32 bytes in base64, one key a line')
  return known
}

/** Whether there is one, without making it. */
export async function isKeyFileThere(file: string, files: Ports['files']): Promise<boolean> {
  return (await readIfThere(file, files)) !== undefined
}

async function readIfThere(file: string, files: Ports['files']): Promise<string | undefined> {
  try {
    return await files.readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Makes the file, unless another process was faster, and gives what is in it. */
async function publish(file: string, { files, random }: Pick<Ports, 'files' | 'random'>, wanted?: string): Promise<string> {
  const text = wanted ?? `${comment}${random.bytes(keyBytes).toString('base64')}\n`
  const directory = dirname(file)
  await files.mkdir(directory, { recursive: true })
  const draft = `${file}.${random.uuid()}`
  try {
    await using handle = await files.open(draft, 'wx', 0o600)
    await handle.writeFile(text)
    await handle.sync()
    await files.link(draft, file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    await files.rm(draft, { force: true })
  }
  await using handle = await files.open(directory, 'r')
  await handle.sync()
  return await files.readFile(file, 'utf8')
}
