/**
 * Rules about the claims of a workload's token: claim → pattern, all of which must fit.
 *
 * `*` stands for any characters but `/`, `**` for any at all; all else for itself, upper and lower case told apart. The whole value must fit, so that
 * `repo:team/web` never takes `repo:team/web-evil`. Time is the product of the lengths, which are bounded.
 */
import type { WorkloadSettings } from '#api/provider-settings.ts'
import { matchesGlob } from '#metadata/repository-glob.ts'
import { RegistryError } from '#oci/errors.ts'
import { saysWhose } from './claim-owners.ts'

export type ClaimRules = Readonly<Record<string, string>>

const rulesMax = 20
const nameMax = 128
const patternMax = 512
const valueMax = 2048
const listedMax = 100

/** The part of a workload provider's settings that says what counts as a rule about the owner. */
export type RuledIssuer = Pick<WorkloadSettings, 'issuer'> & Partial<Pick<WorkloadSettings, 'issuerIsOurs'>>

/** Throws REQUEST_INVALID: no rule at all, or one that fits anything, would trust everybody whom the issuer knows. */
export function requireClaimRules(rules: ClaimRules, issuer: RuledIssuer): void {
  const entries = Object.entries(rules)
  if (entries.length === 0 || entries.length > rulesMax) throw invalid(`name 1 to ${rulesMax} claims that a token must have`)
  for (const [name, pattern] of entries) {
    if (name === '' || name.length > nameMax || pattern === '' || pattern.length > patternMax) {
      throw invalid(`names of claims have at most ${nameMax} characters, patterns ${patternMax}, and none is empty`)
    }
  }
  if (!nameSomebody(rules, issuer)) {
    throw invalid(
      'no rule says whose job it is, so that jobs of strangers would fit: add a claim such as repository=owner/name (GitHub), project_path=group/name (GitLab), sub=system:serviceaccount:namespace:name (Kubernetes) or, for other issuers, sub with its owner written out. Where the issuer signs for jobs of your own only, say issuerIsOurs=true in the settings of the provider',
    )
  }
}

/** Whether one rule at least says whose job it is: others narrow it. */
export function nameSomebody(rules: ClaimRules, { issuer, issuerIsOurs }: RuledIssuer): boolean {
  return issuerIsOurs === true || Object.entries(rules).some(([name, pattern]) => saysWhose(name, pattern, issuer))
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
