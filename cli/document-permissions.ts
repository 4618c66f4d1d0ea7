/** docs/reference/permissions.md, from the table of permissions, the built-in roles and the contracts of the routes. */
import type { Demand, RouteContract } from '#api/contract.ts'
import { allPermissions, builtInRoles, levelOf, publicPermissions, type Permission } from '#api/permissions.ts'
import { allRouteContracts } from '#api/routes/all.ts'

const introduction = `# Permissions

A permission is a resource and an action. A role is a set of permissions; a grant gives a role to somebody somewhere. See [roles](../guides/roles.md).
Administrators may do everything. This page is generated from the code that decides.

\`system\` permissions hold on everything or not at all; \`project\` ones on everything or on a project with those below it; \`repository\` ones on
repositories by glob, too.
`

/** By hand, as a spec's verbs are: who may do what below /v2/. */
const registryVerbs: readonly (readonly [verb: string, demand: string])[] = [
  ['`GET /v2/`', 'an account, where anonymous access is off'],
  ['`GET`, `HEAD` of manifests, blobs, referrers', '`repository:pull`'],
  ['`GET …/tags/list`', '`repository:pull`'],
  ['`POST`, `PATCH`, `PUT`, `GET`, `DELETE` of uploads', '`repository:push`; for a repository that is not there `repository:create`, too'],
  ['`PUT` of manifests', '`repository:push`; for a tag `tag:create`, to move one `tag:update`, too'],
  ['`POST …/blobs/uploads/?mount=…&from=…`', '`repository:push`, and `repository:pull` where it is mounted from'],
  ['`DELETE` of manifests', '`manifest:delete`; of a tag `tag:delete`'],
  ['`DELETE` of blobs', '`manifest:delete`'],
  ['`DELETE /v2/<name>/`', '`repository:delete`'],
  ['`GET /v2/_catalog`', 'lists what the caller may see'],
]

/** The page; `npm run docs` writes it. */
export function documentPermissions(): string {
  return [
    introduction,
    `## What each role permits\n\n${roleTable()}\n`,
    `## What each request needs\n\nBelow \`/v2/\`:\n\n| request | needs |\n|---|---|\n${registryVerbs.map((row) => `| ${row.join(' | ')} |`).join('\n')}\n`,
    `A fresh proof of the person is a [step-up](../guides/two-factor.md#stepping-up): the sign-in, a password or a second factor of the last minutes. Programs have none: a token must name the permission in its scopes.\n`,
    `Below \`/api/v1\`, where what the caller may not see answers 404 as if it did not exist:\n\n${routeTable()}\n`,
  ].join('\n')
}

function roleTable(): string {
  const names = builtInRoles.map(({ name }) => name)
  const head = `| permission | level | ${names.join(' | ')} | anyone, in a public project |`
  const rows = allPermissions.map((permission) => {
    const held = [...builtInRoles.map(({ permissions }) => permissions), publicPermissions].map((set) => mark(set, permission))
    return `| \`${permission}\` | ${levelOf(permission)} | ${held.join(' | ')} |`
  })
  return [head, `|${'---|'.repeat(names.length + 3)}`, ...rows].join('\n')
}

function mark(permissions: readonly Permission[], permission: Permission): string {
  return permissions.includes(permission) ? '✓' : ''
}

function routeTable(): string {
  const rows = allRouteContracts.map(
    (route) => `| \`${route.method} ${route.path}\` | ${demandText(route)} | ${route.summary.replaceAll('|', '\\|')} |`,
  )
  return ['| request | needs | |', '|---|---|---|', ...rows].join('\n')
}

function demandText({ demand, needsElevation, elevationWhen, alsoNeeds }: RouteContract): string {
  const elevation =
    needsElevation === true
      ? '; a fresh proof of the person'
      : elevationWhen === undefined
        ? ''
        : `; a fresh proof of the person when ${elevationWhen}`
  return `${placeText(demand)}${alsoNeeds === undefined ? '' : `; ${alsoNeeds}`}${elevation}`
}

function placeText(demand: Demand): string {
  if ('permission' in demand && demand.on === 'visible') return `nothing; shows where \`${demand.permission}\` is held`
  if ('permission' in demand && demand.on === 'thing') return `\`${demand.permission}\` on the project that it was in, or on the one above`
  if ('who' in demand) return demand.who === 'signed-in' ? 'an account' : 'nothing'
  return `\`${demand.permission}\` on ${demand.on === 'system' ? 'everything' : `the ${demand.on}`}`
}
