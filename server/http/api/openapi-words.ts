/** What the OpenAPI document says besides the contracts: groups, parameters that mean the same everywhere, and examples. A test holds that nothing is missing. */

/** By the contracts' `tag`. */
export const tagWords: Readonly<Record<string, string>> = {
  session: 'Who the caller is: signing in and out, second factors, one’s own sessions and identities.',
  users: 'Accounts of people.',
  groups: 'Groups of people, kept here or told by identity providers.',
  roles: 'Named sets of permissions, built-in and one’s own.',
  grants: 'Who has which role where.',
  repositories: 'Repositories that the caller may see.',
  tags: 'Tags of a repository and what they pointed at.',
  manifests: 'Images, indexes and artifacts of a repository by digest.',
  uploads: 'Pushes that are under way.',
  trash: 'What was deleted and can be restored for a while.',
  projects: 'Projects: names above repositories, at which rights are given.',
  quotas: 'How much is used, and what projects may use.',
  labels: 'Labels on images, for all or of one project.',
  retention: 'Which tags of a project stay: policies, their runs, and why each tag stays or goes.',
  'immutable tags': 'Which tags of a project are neither moved nor deleted.',
  system: 'Settings, networks and state of the whole registry.',
  audit: 'What happened, who did it, and whether the record is whole.',
  jobs: 'Work in the background, and the schedules that begin it.',
  garbage: 'What nothing needs any more, and the runs that delete it.',
  scrub: 'What is wrong with what is stored, and the passes that look for it.',
  providers: 'Identity providers: LDAP, OpenID Connect, certificates.',
  tokens: 'Personal access tokens.',
  robots: 'Accounts of programs, their secrets and what they trust.',
  keys: 'Keys with which the registry signs its tokens.',
}

/** Path parameters without words of their own. */
export const pathWords: Readonly<Record<string, string>> = {
  user: 'Id of the account.',
  group: 'Id of the group.',
  role: 'Name of the role.',
  grant: 'Id of the grant.',
  project: 'Name of the project, or a former one, percent-encoded.',
  repository: 'Full name of the repository, or a former one, percent-encoded: `team%2Fapp`.',
  tag: 'Name of the tag.',
  digest: 'Digest of the manifest, such as `sha256:…`.',
  upload: 'Id of the upload, as the list has it.',
  trash: 'Number of what was deleted, as the list has it.',
  label: 'Id of the label.',
  rule: 'Id of the immutable tag rule.',
  policy: 'Name of the retention policy.',
  run: 'Number of the run of a retention policy.',
  provider: 'Name of the identity provider.',
  identity: 'Id of the link between the account and a provider’s identity.',
  session: 'Id of the session, as the list has it; not what the cookie holds.',
  factor: 'Id of the second factor.',
  token: 'Id of the token; not the token itself.',
  robot: 'Id of the robot.',
  secret: 'Id of the secret; not the secret itself.',
  trust: 'Id of the trust.',
  key: 'Id (`kid`) of the key.',
  job: 'Id of the job.',
  schedule: 'Name of the schedule.',
}

/** Query parameters without words of their own. */
export const queryWords: Readonly<Record<string, string>> = {
  sort: 'The order: a member’s name, with `-` before it for the descending one.',
  isAdministrator: 'Only administrators, or only others.',
  isDisabled: 'Only disabled ones, or only others.',
  subject: 'Only grants for this kind.',
  role: 'Only those of this role.',
  project: 'Only those in this project, by name.',
  mediaType: 'Only manifests of this media type.',
  artifactType: 'Only artifacts of this type.',
  outcome: 'Only what succeeded, or only what failed.',
  format: 'The form of the lines.',
  force: 'True: although something depends on it.',
  kind: 'Only those of this kind.',
  state: 'Only those in this state.',
}

/** Bodies that fit, by `METHOD /path`. */
export const bodyExamples: Readonly<Record<string, unknown>> = {
  'POST /session': { name: 'alice', password: 'correct horse battery staple' },
  'POST /users': { name: 'alice', displayName: 'Alice Example', email: 'alice@example.com', password: 'correct horse battery staple' },
  'POST /groups': { name: 'builders' },
  'POST /projects': { name: 'team', isPublic: false },
  'POST /grants': { subject: { kind: 'user', name: 'alice' }, role: 'developer', project: 'team' },
  'POST /projects/{project}/grants': { subject: { kind: 'group', name: 'builders' }, role: 'guest', expiresAt: '2030-01-01T00:00:00Z' },
  'PATCH /repositories/{repository}': { description: 'The web front end.' },
  'POST /labels': { name: 'approved', color: '#2da44e' },
  'POST /projects/{project}/immutable-tag-rules': { tags: 'v*', repositories: 'team/web-*', description: 'releases stay' },
  'PATCH /schedules/{schedule}': { cron: '0 3 * * *', timeZone: 'Europe/Berlin' },
}
