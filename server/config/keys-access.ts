/** The keys of `secrets` and `tokens`, which only Berth has. */
import { acts, optional, type Section } from './key.ts'
import { duration, oneOf, text, textLike } from './value-types.ts'

/** Every map that the keys of this file stand in. */
export const accessSections = {
  secrets: { doc: 'Berth’s own. What secrets in the database (provider passwords, signing keys) are sealed with.', own: true },
  tokens: { doc: 'Berth’s own. The bearer tokens that the end point `/token` issues.', own: true },
} as const satisfies Record<string, Section>

const secretKeyBytes = 32
const encodedKey = /^[A-Za-z0-9+/_-]{43}=?$/

/** The texts of the keys in a key file or variable: one a line, blanks and lines that begin with `#` left out. */
export function splitSecretKeys(written: string): readonly string[] {
  const lines = written.split(/\r?\n/).filter((line) => !line.trim().startsWith('#'))
  return lines.flatMap((line) => line.split(/[\s,]+/)).filter((word) => word !== '')
}

/** The 32 bytes of a key in base64 (or base64url); undefined when it is not that. */
export function parseSecretKey(word: string): Buffer | undefined {
  if (!encodedKey.test(word)) return undefined
  const bytes = Buffer.from(word, 'base64')
  return bytes.length === secretKeyBytes ? bytes : undefined
}

const secretKeys = textLike('32 bytes in base64, or several such keys', (value) => {
  const words = splitSecretKeys(value)
  return words.length > 0 && words.every((word) => parseSecretKey(word) !== undefined)
})
const tokenWord = textLike('a text of printable ASCII without quotes, up to 200 characters', (value) => /^[ !#-[\]-~]{1,200}$/.test(value))

/** Every key of `secrets` and `tokens`. */
export const allAccessKeys = {
  'secrets.keyfile': optional(
    text,
    'File with 32 bytes in base64, one key a line: the first seals, all open. When it is missing, Berth makes it, for its own user alone. Back it up apart from the database.',
    { defaultText: '`berth.key` beside the database' },
  ),
  'secrets.key': optional(
    secretKeys,
    'The key itself, in place of a file; meant for the variable `REGISTRY_SECRETS_KEY`. Several, apart by blanks: the first seals, all open.',
    { secret: true },
  ),
  'tokens.algorithm': acts(
    oneOf('es256', 'rs256'),
    'es256',
    'How bearer tokens are signed. `rs256` for others who verify them and know no elliptic curves; it signs some ten times slower.',
  ),
  'tokens.lifetime': acts(
    duration({ minimumMs: 60_000, maximumMs: 24 * 3_600_000 }),
    5 * 60_000,
    'How long a bearer token counts. A push that began while it did goes on.',
  ),
  'tokens.issuer': acts(tokenWord, 'berth', 'Who the tokens say issued them.'),
  'tokens.service': acts(tokenWord, 'berth', 'Whom they say they are for, and the `service` that clients are told to ask for.'),
}
