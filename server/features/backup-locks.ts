/**
 * Who works in a place for backups. Several may add backups and read them; prune, which removes blobs that no backup needs, must be alone.
 *
 * There is nothing to lock with in an object store, so each writes a small file that says what it does and then looks at those of the others: of two that begin
 * at once at least one sees the other and gives way. A file is written again every few minutes; one that is old is of a process that died.
 */
import { contentOf, type NamedFiles } from '#blobs/named-files.ts'
import type { Ports } from '#lib/ports.ts'
import { BackupRefused } from './backup-repository.ts'

const renewMs = 4 * 60_000
const staleMs = 30 * 60_000

/** Its work. `adds` and `reads` bear each other. */
export type BackupWork = 'adds' | 'reads' | 'removes'

/** Disposing lets others in. */
export interface BackupLock extends AsyncDisposable {
  /** Throws when the file was not renewed for so long that others may think it dead. */
  requireHeld(): void
}

/** Throws {@link BackupRefused} when somebody else does what does not go together with it. */
export async function lockRepository(
  files: NamedFiles,
  work: BackupWork,
  { clock, random, timers }: Pick<Ports, 'clock' | 'random' | 'timers'>,
): Promise<BackupLock> {
  const name = `locks/${work}-${random.uuid()}`
  let writtenAt = clock.monotonic()
  const write = async () => {
    const at = clock.monotonic()
    await files.put(name, contentOf(Buffer.from(`${new Date(clock.now()).toISOString()}\n`)))
    writtenAt = at
  }
  await write()
  try {
    await refuseOthers(files, { name, work, now: clock.now() })
  } catch (error) {
    await files.remove([name])
    throw error
  }
  let renewing: Promise<void> | undefined
  const timer = timers.every(renewMs, () => {
    // What fails is tried again at the next turn; requireHeld says when that was too late.
    renewing ??= write()
      .catch(() => undefined)
      .finally(() => (renewing = undefined))
  })
  return {
    requireHeld() {
      if (clock.monotonic() - writtenAt > staleMs / 2) throw new Error(`the lock at ${files.place} could not be renewed`)
    },
    async [Symbol.asyncDispose]() {
      timer[Symbol.dispose]()
      await renewing
      // One that stays is old in half an hour.
      await files.remove([name]).catch(() => undefined)
    },
  }
}

async function refuseOthers(
  files: NamedFiles,
  own: { readonly name: string; readonly work: BackupWork; readonly now: number },
): Promise<void> {
  for await (const { name, modifiedAt } of files.list('locks/')) {
    if (name === own.name) continue
    if (own.now - modifiedAt > staleMs) {
      await files.remove([name])
      continue
    }
    const theirs = name.startsWith('locks/removes-') ? 'removes' : 'bears others'
    if (own.work !== 'removes' && theirs !== 'removes') continue
    const since = new Date(modifiedAt).toISOString()
    throw new BackupRefused(
      `somebody else works in ${files.place} (${name}, seen ${since}): try again when they are done; what died is forgotten after ${staleMs / 60_000} minutes`,
    )
  }
}
