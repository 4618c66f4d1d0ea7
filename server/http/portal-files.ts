/**
 * The portal as it was built: a few hundred small files, all in memory from the start, each with its compressed forms.
 *
 * The problem: pages must not cost a request of /v2 anything, and a file that changes under a running server would mix two builds. The way: scripts/build-web.mjs
 * writes every file with its `.br` and `.gz` beside it; all are read once. Names below `assets/` carry a hash of their content and never change.
 */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { Files } from '#lib/ports.ts'

/** A file, ready to be sent. */
export interface PortalFile {
  readonly type: string
  readonly etag: string
  readonly isImmutable: boolean
  readonly plain: Uint8Array
  readonly gzip: Uint8Array | undefined
  readonly brotli: Uint8Array | undefined
}

/** What was built. */
export interface Portal {
  /** By path below the prefix: `assets/index-B1.js`. */
  readonly files: ReadonlyMap<string, PortalFile>
  /** The document of every page, without the nonces of its styles: these go where it is cut. */
  readonly page: readonly string[]
}

const noncePlace = '{{nonce}}'
const types: Readonly<Record<string, string>> = {
  css: 'text/css; charset=utf-8',
  ico: 'image/x-icon',
  js: 'text/javascript; charset=utf-8',
  json: 'application/json; charset=utf-8',
  png: 'image/png',
  svg: 'image/svg+xml',
  txt: 'text/plain; charset=utf-8',
  webmanifest: 'application/manifest+json',
  woff2: 'font/woff2',
}

/** Reads what is in `directory`; undefined where nothing was built. Throws what the system says of files that cannot be read. */
export async function openPortal(
  files: Pick<Files, 'readFile' | 'readdir'>,
  directory: string,
  prefix: string,
): Promise<Portal | undefined> {
  const names = await namesIn(files, directory)
  if (!names.includes('index.html')) return undefined
  const read = async (name: string) => (names.includes(name) ? await files.readFile(join(directory, name)) : undefined)
  const found = new Map<string, PortalFile>()
  for (const name of names) {
    const type = types[name.slice(name.lastIndexOf('.') + 1)]
    if (type === undefined) continue
    const plain = await files.readFile(join(directory, name))
    const etag = `"${createHash('sha256').update(plain).digest('base64url').slice(0, 27)}"`
    const [gzip, brotli] = await Promise.all([read(`${name}.gz`), read(`${name}.br`)])
    found.set(name, { type, etag, isImmutable: name.startsWith('assets/'), plain, gzip, brotli })
  }
  const document = (await files.readFile(join(directory, 'index.html'))).toString()
  // It was built for whatever path it stands below.
  return { files: found, page: document.replaceAll('="./', `="${prefix}`).split(noncePlace) }
}

/** Of all files below it, with slashes; empty where there is no such directory. */
async function namesIn(files: Pick<Files, 'readdir'>, directory: string): Promise<readonly string[]> {
  try {
    const entries = await files.readdir(directory, { recursive: true, withFileTypes: true })
    return entries
      .filter((entry) => entry.isFile())
      .map((entry) =>
        join(entry.parentPath, entry.name)
          .slice(directory.length + 1)
          .replaceAll('\\', '/'),
      )
      .toSorted()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}
