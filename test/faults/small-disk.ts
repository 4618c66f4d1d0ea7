import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from '../support/run-command.ts'

/** A file system of its own with a fixed size, unmounted when disposed of. */
export async function smallDisk(sizeMiB: number): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'berth-disk-'))
  await run(['mount', '-t', 'tmpfs', '-o', `size=${sizeMiB}m`, 'tmpfs', path])
  return {
    path,
    [Symbol.asyncDispose]: async () => {
      await run(['umount', path])
      await rm(path, { recursive: true })
    },
  }
}
