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

/**
 * Claims that do not tell whose job it is: what stands in every token (RFC 7519 §4.1), what jobs of strangers have alike (branch, event, runner, names that
 * each repository chooses), and who began the job, for that happens in repositories of others too. GitHub, GitLab and others, and their like in `sub`.
 */
const sharedClaims: ReadonlySet<string> = new Set(
  [
    'iss aud exp nbf iat jti azp auth_time',
    'ref ref_type ref_path ref_protected base_ref head_ref sha branch tag commit event_name pull_request',
    'environment environment_protected environment_action deployment_tier runner_environment runner_id context',
    'run_id run_number run_attempt job_id pipeline_id pipeline_source build_number step_key check_run_id',
    // Whoever likes calls a reusable workflow, with what input they like.
    'workflow workflow_sha job_workflow_ref job_workflow_sha ci_config_sha',
    'repository_visibility project_visibility user_access_level groups_direct enterprise',
    'actor actor_id user_id user_login user_email user_identities',
  ].flatMap((names) => names.split(' ')),
)
/** Paths that begin with their owner: `*` there is everybody, and so is `team*`, for anyone may take the name `team-evil`. */
const ownedPaths: ReadonlySet<string> = new Set([
  'repository',
  'repository_owner',
  'repo',
  'workflow_ref',
  'project_path',
  'namespace_path',
  'ci_config_ref_uri',
  'organization_slug',
])

/** Throws REQUEST_INVALID: no rule at all, or one that fits anything, would trust everybody whom the issuer knows. */
export function requireClaimRules(rules: ClaimRules): void {
  const entries = Object.entries(rules)
  if (entries.length === 0 || entries.length > rulesMax) throw invalid(`name 1 to ${rulesMax} claims that a token must have`)
  for (const [name, pattern] of entries) {
    if (name === '' || name.length > nameMax || pattern === '' || pattern.length > patternMax) {
      throw invalid(`names of claims have at most ${nameMax} characters, patterns ${patternMax}, and none is empty`)
    }
  }
  if (!nameSomebody(rules)) {
    throw invalid(
      'no rule says whose job it is, so that jobs of strangers would fit: add a claim such as repository=owner/name (GitHub), project_path=group/name (GitLab) or sub=system:serviceaccount:namespace:name (Kubernetes), with its owner written out',
    )
  }
}

/** Whether one rule at least says whose job it is: others narrow it. */
export function nameSomebody(rules: ClaimRules): boolean {
  return Object.entries(rules).some(([name, pattern]) => namesOwner(name, pattern))
}

function namesOwner(name: string, pattern: string): boolean {
  if (sharedClaims.has(name)) return false
  if (name === 'sub') return subjectNamesOwner(pattern)
  // Half a number is nobody's.
  if (name.endsWith('_id')) return !pattern.includes('*')
  return ownedPaths.has(name) ? hasOwner(pattern) : hasFixedBeginning(pattern)
}

/** `repo:team/web:ref:…` (GitHub), `project_path:group/web:…` (GitLab), `system:serviceaccount:namespace:name`; else whatever the issuer calls its own. */
function subjectNamesOwner(pattern: string): boolean {
  const account = /^system:serviceaccount:(.*)$/s.exec(pattern)
  if (account !== null) return hasFixedBeginning(account[1] ?? '')
  const [, key, value] = /^([a-z_]+):(?!\/\/)(.*)$/s.exec(pattern) ?? []
  if (key === undefined || value === undefined) return hasFixedBeginning(pattern.replace(/^[a-z]+:\/\//, ''))
  return namesOwner(key, value)
}

function hasOwner(pattern: string): boolean {
  return /^[^*/]*[\p{L}\p{N}][^*/]*(?:\/|$)/u.test(pattern)
}

function hasFixedBeginning(pattern: string): boolean {
  return /^[^*]*[\p{L}\p{N}]/u.test(pattern)
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
