/** The grammar of accounts' names. */

const nameMax = 255
/** Letters of any script, digits, and what stands in addresses and in names of directories; no colon, which ends the name in a Basic credential. */
const grammar = /^[\p{L}\p{N}_](?:[\p{L}\p{M}\p{N}_.@+-]*[\p{L}\p{M}\p{N}_])?$/u

/** As it was given; undefined for what no account may be called: robots' names, names that a shell, a URL or a Basic credential would break. */
export function parseAccountName(text: string): string | undefined {
  if (text.length > nameMax || !grammar.test(text) || text !== text.normalize('NFC')) return undefined
  return /^robot[-$]/i.test(text) ? undefined : text
}

/** The nearest name that an account may have to what a provider calls somebody, in lower case; undefined when nothing of it can stay. */
export function accountNameFrom(text: string): string | undefined {
  const plain = text
    .normalize('NFC')
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{M}\p{N}_.@+-]+/gu, '-')
    .slice(0, nameMax)
    .replaceAll(/^[^\p{L}\p{N}_]+|[^\p{L}\p{M}\p{N}_]+$/gu, '')
  return parseAccountName(plain)
}
