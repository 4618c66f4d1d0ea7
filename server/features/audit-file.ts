/** Lines appended to a file that an outside program may rename at any time (logrotate): the next write makes it anew. */
import type { FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Files } from '#lib/ports.ts'

/** Takes lines. One call at a time. */
export interface LineFile extends AsyncDisposable {
  /** Resolves when the lines are on the disk. Rejects when they are not; some of them may be in the file then, the last cut short. */
  append(lines: string): Promise<void>
}

/** Only its owner may read the file: who pulled what is nobody else's business. */
const fileMode = 0o600

/** Opens at the first write; the directory is made where it is missing. */
export function createLineFile(path: string, files: Pick<Files, 'open' | 'mkdir' | 'stat'>): LineFile {
  let handle: FileHandle | undefined
  let isCutShort = false
  const close = async () => {
    const closing = handle
    handle = undefined
    await closing?.close()
  }
  const opened = async (): Promise<FileHandle> => {
    if (handle !== undefined && !(await isStillThere(path, handle, files))) await close()
    if (handle === undefined) {
      await files.mkdir(dirname(path), { recursive: true })
      handle = await files.open(path, 'a', fileMode)
    }
    return handle
  }
  return {
    async append(lines) {
      const file = await opened()
      const bytes = Buffer.from(isCutShort ? `\n${lines}` : lines)
      isCutShort = true
      for (let at = 0; at < bytes.length;) at += (await file.write(bytes, at)).bytesWritten
      isCutShort = false
      await file.datasync()
    },
    [Symbol.asyncDispose]: close,
  }
}

async function isStillThere(path: string, handle: FileHandle, files: Pick<Files, 'stat'>): Promise<boolean> {
  try {
    const [named, open] = await Promise.all([files.stat(path), handle.stat()])
    return named.ino === open.ino && named.dev === open.dev
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}
