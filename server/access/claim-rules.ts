/**
 * Rules about the claims of a workload's token: claim → pattern, all of which must fit.
 *
 * `*` stands for any characters but `/`, `**` for any at all; all else for itself, upper and lower case told apart. The whole value must fit, so that
 * `repo:team/web` never takes `repo:team/web-evil`. Time is the product of the lengths, which are bounded.
 */
import { matchesGlob } from '#metadata/repository-glob.ts'
import { RegistryError } from '#oci/errors.ts'

export type ClaimRules = Readonly<Record<string, string>>

const rulesMax = 20
const nameMax = 128
const patternMax = 512
const valueMax = 2048
const listedMax = 100

/** Throws REQUEST_INVALID: no rule at all, or one that fits anything, would trust everybody whom the issuer knows. */
export function requireClaimRules(rules: ClaimRules): void {
  const entries = Object.entries(rules)
  if (entries.length === 0 || entries.length > rulesMax) throw invalid(`name 1 to ${rulesMax} claims that a token must have`)
  for (const [name, pattern] of entries) {
    if (name === '' || name.length > nameMax || pattern === '' || pattern.length > patternMax) {
      throw invalid(`names of claims have at most ${nameMax} characters, patterns ${patternMax}, and none is empty`)
    }
  }
  if (entries.every(([, pattern]) => /^[*/]+$/.test(pattern))) throw invalid('at least one pattern must say more than *')
}

/** Whether a token's claims fit every rule. A list fits when one of its members does; an object fits nothing. */
export function claimsFit(rules: ClaimRules, claims: Readonly<Record<string, unknown>>): boolean {
  const entries = Object.entries(rules)
  return entries.length > 0 && entries.every(([name, pattern]) => Object.hasOwn(claims, name) && valueFits(pattern, claims[name]))
}

function valueFits(pattern: string, value: unknown): boolean {
  if (Array.isArray(value)) return value.slice(0, listedMax).some((each) => !Array.isArray(each) && valueFits(pattern, each))
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') return false
  const text = String(value)
  return text.length <= valueMax && matchesGlob(globOf(pattern), text)
}

function globOf(pattern: string) {
  const elements = pattern.match(/\*+|[^*]/gsu)?.map((element) => (element.length > 1 && element.startsWith('*') ? '**' : element)) ?? []
  return { elements, hasWithinPart: false, hasAcrossParts: false, prefix: '' }
}

function invalid(message: string): RegistryError {
  return new RegistryError('REQUEST_INVALID', [{ path: 'body/claims', message }], { message })
}
