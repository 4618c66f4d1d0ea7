/**
 * Which claims of which issuer say whose job it is.
 *
 * A rule on a claim that is not listed here lets strangers in: what a branch, a workflow or a step is called each of them chooses, and much of the rest is
 * alike in all tokens. So this is a list of what counts, and not of what does not. To add an issuer that signs for everybody, add a line to
 * {@link issuers}: how its address is told, its claims, and how its `sub` begins.
 */

/** How a value tells the owner: an id as a whole; a path whose first part, or a text whose every character, is written out. */
type Form = 'whole' | 'path'

interface IssuerClaims {
  readonly is: (url: string) => boolean
  readonly claims: Readonly<Record<string, Form>>
  /** Keys of a `sub` that is `key:value:…`, with the form of the value; else `sub` is judged as of any issuer. */
  readonly subjects?: Readonly<Record<string, Form>>
}

const github = {
  repository: 'path',
  repository_owner: 'path',
  workflow_ref: 'path',
  repository_id: 'whole',
  repository_owner_id: 'whole',
  enterprise_id: 'whole',
} as const
const gitlab = { project_path: 'path', namespace_path: 'path', project_id: 'whole', namespace_id: 'whole' } as const

const at = (pattern: RegExp) => (url: string) => pattern.test(url)

const issuers: readonly IssuerClaims[] = [
  {
    is: at(/^https:\/\/token\.actions\.(?:githubusercontent\.com|[^/]+\.ghe\.com)(?:\/|$)|^https:\/\/[^/]+\/_services\/token\/?$/),
    claims: github,
    subjects: { repo: 'path', ...github },
  },
  { is: at(/^https:\/\/gitlab\.com\/?$/), claims: gitlab, subjects: gitlab },
  {
    is: at(
      /^https:\/\/kubernetes\.default\.svc|^https:\/\/oidc\.eks\.|^https:\/\/container\.googleapis\.com\/|\.oic\.[^/]*aks\.azure\.com\//,
    ),
    claims: {},
  },
  {
    is: at(/^https:\/\/agent\.buildkite\.com\/?$/),
    claims: { organization_slug: 'whole', organization_id: 'whole', pipeline_id: 'whole', cluster_id: 'whole' },
    subjects: { organization: 'path' },
  },
  {
    is: at(/^https:\/\/app\.terraform\.io\/?$/),
    claims: {
      terraform_organization_name: 'whole',
      terraform_organization_id: 'whole',
      terraform_project_id: 'whole',
      terraform_workspace_id: 'whole',
    },
    subjects: { organization: 'path' },
  },
  { is: at(/^https:\/\/accounts\.google\.com\/?$/), claims: { email: 'whole', hd: 'whole' } },
  // Their issuers are one organisation's or workspace's each: the claims tell the projects of it apart.
  {
    is: at(/^https:\/\/oidc\.circleci\.com\/org\//),
    claims: { 'oidc.circleci.com/project-id': 'whole', 'oidc.circleci.com/org-id': 'whole' },
  },
  {
    is: at(/^https:\/\/api\.bitbucket\.org\/2\.0\/workspaces\//),
    claims: { workspaceUuid: 'whole', repositoryUuid: 'whole' },
  },
]

/** Of addresses that are not known: `sub`, and what GitHub Enterprise and a GitLab of one's own call the owner, wherever they are. */
const others: IssuerClaims = { is: () => true, claims: { ...github, ...gitlab } }

/** Keys in a `sub` that tell no owner: with anything behind them they fit jobs of strangers. GitHub lets people put any claim there. */
const ownerless: ReadonlySet<string> = new Set(
  [
    'ref ref_type ref_path ref_protected base_ref head_ref sha branch tag commit event_name pull_request',
    'environment environment_protected deployment_tier runner_environment runner_id context',
    'run_id run_number run_attempt job_id pipeline pipeline_id pipeline_source pipeline_slug build_number build_branch build_source step_key check_run_id',
    'workflow workflow_sha job_workflow_ref job_workflow_sha ci_config_ref_uri ci_config_sha run_phase',
    'repository_visibility project_visibility user_access_level enterprise actor actor_id user_id user_login user_email',
  ].flatMap((names) => names.split(' ')),
)

/** Words before the owner's name. */
const kinds: ReadonlySet<string> = new Set(
  'org organization organisation project project_path namespace namespace_path repo repository repository_owner workspace space team group account tenant user sa serviceaccount client'.split(
    ' ',
  ),
)

/** Whether the rule says whose job it is, in tokens of that issuer. */
export function saysWhose(name: string, pattern: string, issuerUrl: string): boolean {
  const issuer = issuers.find(({ is }) => is(issuerUrl)) ?? others
  if (name === 'sub') return subjectSaysWhose(pattern, issuer)
  const form = Object.hasOwn(issuer.claims, name) ? issuer.claims[name] : undefined
  return form !== undefined && fits(form, pattern)
}

/** `repo:team/web:ref:…` (GitHub), `project_path:group/web:…` (GitLab), `system:serviceaccount:namespace:name`; else whatever the issuer calls its own. */
function subjectSaysWhose(pattern: string, { subjects }: IssuerClaims): boolean {
  const account = /^system:serviceaccount:(.*)$/s.exec(pattern)
  if (account !== null) return isOwner(partsOf(account[1] ?? '')[0])
  const [, key = '', value = ''] = /^([a-z_]+):(?!\/\/)(.*)$/s.exec(pattern) ?? []
  if (subjects !== undefined) return Object.hasOwn(subjects, key) && fits(subjects[key] ?? 'whole', value)
  return ofAnyIssuer(pattern, key, value)
}

/** `key` and `value`: where there is a colon. */
function ofAnyIssuer(pattern: string, key: string, value: string): boolean {
  if (ownerless.has(key)) return false
  if (key.endsWith('_id')) return fits('whole', partsOf(value)[0] ?? '')
  const [first, second] = partsOf(pattern.replace(/^[a-z]+:\/\//, ''))
  // What stands before a colon is a kind more often than an owner.
  if (key !== '' || kinds.has(first ?? '')) return isOwner(first) && isOwner(second)
  return isOwner(first)
}

function partsOf(text: string): readonly string[] {
  return text.split(/[:/|@]/)
}

/** Whole, for half a name or number is nobody's: anybody may take the name `team-evil`. */
function isOwner(part: string | undefined): boolean {
  return part !== undefined && !part.includes('*') && /[\p{L}\p{N}]/u.test(part)
}

function fits(form: Form, pattern: string): boolean {
  return isOwner(form === 'path' ? pattern.split(/[:/]/)[0] : pattern)
}
