/** The users of an htpasswd file, as one of the places where a password may be right. */
import type { Logger } from '#lib/logger.ts'
import type { Ports } from '#lib/ports.ts'
import { loadBcrypt } from './bcrypt.ts'
import { HtpasswdFile } from './htpasswd-file.ts'

/** Hashes of the file and how they are checked. */
export interface HtpasswdSource {
  /** `hash` is undefined for a name that is not in the file; `unmatchable` costs as much as any and fits no password. */
  find(name: string): Promise<{ readonly hash: string | undefined; readonly unmatchable: string }>
  verify(password: string, hash: string): Promise<boolean>
}

/** A missing file is made; rejects for one that cannot be read. */
export async function openHtpasswd(path: string, parts: { readonly ports: Ports; readonly log: Logger }): Promise<HtpasswdSource> {
  const bcrypt = await loadBcrypt()
  const file = new HtpasswdFile(path, parts)
  await file.createIfMissing(bcrypt)
  try {
    await file.users()
  } catch (cause) {
    throw new Error(`auth.htpasswd.path: ${path} cannot be read`, { cause })
  }
  return {
    verify: (password, hash) => bcrypt.verify(password, hash),
    async find(name) {
      const { hashes, unmatchable } = await file.users()
      return { hash: hashes.get(name), unmatchable }
    },
  }
}
