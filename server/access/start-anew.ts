/** Going on where the key of what is sealed is lost for good. */
import type { Directory } from './directory.ts'
import { resealSecrets } from './reseal.ts'
import { rotateSigningKey, type SigningAlgorithm } from './signing-keys.ts'
import { operator } from './user-passwords.ts'

/** What does not open, and whether a fresh key signs bearer tokens from now on. */
export interface FreshStart {
  readonly lost: readonly string[]
  readonly isFresh: boolean
}

/** Where nothing opens a fresh signing key is sealed under the present key, by which later starts know it. What is lost stays as it is until it is set again. */
export async function startAnew(directory: Directory, algorithm: SigningAlgorithm): Promise<FreshStart> {
  const { broken, current, resealed, changed } = await resealSecrets(directory)
  const isFresh = broken.length > 0 && current + resealed + changed === 0
  if (isFresh) await rotateSigningKey(directory, algorithm, operator)
  return { lost: broken, isFresh }
}
