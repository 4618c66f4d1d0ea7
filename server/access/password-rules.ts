/** What a password of Berth's own must be like. Length counts most (NIST SP 800-63B): no rules about kinds of characters, no forced change. */
import { RegistryError } from '#oci/errors.ts'
import { worstPasswords } from './worst-passwords.ts'

/** Shorter ones are guessed whatever they are. */
const charactersMin = 8
/** From here on length alone protects well enough against the back-off of wrong passwords. */
const charactersEnough = 12
/** More is no safer, and each byte is hashed. */
const bytesMax = 1024

/** What of an account everybody knows. */
export interface PasswordOwner {
  readonly name: string
  readonly email?: string | undefined
}

/** Throws REQUEST_INVALID, with a sentence, for a password that is too short, too long, among those tried first, or what names the account. */
export function requireGoodPassword(password: string, account: PasswordOwner): void {
  const fault = faultOf(password, account)
  if (fault === undefined) return
  throw new RegistryError('REQUEST_INVALID', [{ path: 'body/password', message: fault }], { message: `the password ${fault}` })
}

function faultOf(password: string, { name, email = '' }: PasswordOwner): string | undefined {
  // NOTE: characters as people count them, so that a word in any script is as long as it looks.
  const characters = Array.from(password).length
  if (Buffer.byteLength(password) > bytesMax) return `is longer than ${bytesMax} bytes`
  if (characters < charactersMin) return `has fewer than ${charactersMin} characters`
  const plain = password.toLowerCase()
  if (isMadeOf(plain, name)) return 'is the name of the account, once or repeated'
  if (isMadeOf(plain, email)) return 'is the e-mail address of the account, once or repeated'
  if (new Set(plain).size < 4) return 'has too few different characters'
  if (worstPasswords.has(plain)) return 'is one of those that are tried first'
  // `sunshine2024!` is `sunshine` to whoever guesses; where it is long, the tail is not what protects it least.
  const stem = plain.replace(/[^\p{L}]+$/u, '')
  if (characters < charactersEnough && worstPasswords.has(stem)) return 'is one of those that are tried first, with something appended'
  return undefined
}

/** Whether it is nothing but the word, however often, with or without signs in between. */
function isMadeOf(plain: string, word: string): boolean {
  const [letters, whole] = [lettersOf(word), lettersOf(plain)]
  if (letters === '') return word !== '' && plain === word.toLowerCase()
  return whole !== '' && whole === letters.repeat(whole.length / letters.length)
}

function lettersOf(text: string): string {
  return text.toLowerCase().replaceAll(/[^\p{L}\p{M}\p{N}]/gu, '')
}
