import { cacheShortly } from '#http/cache-control.ts'
import type { Endpoint } from '#http/endpoint.ts'
import type { TargetedExchange } from '#http/exchange.ts'
import { nextPage } from '#http/locations.ts'
import { respond } from '#http/respond.ts'
import type { ReferrersRoute } from '#http/router.ts'
import { parseLast } from '#http/target.ts'
import { RegistryError } from '#oci/errors.ts'
import { ociIndex } from '#oci/media-types.ts'
import { listReferrers } from '#registry/list-referrers.ts'

/** `/v2/<name>/referrers/<digest>` (end-12a, end-12b). */
export const referrers: Endpoint<ReferrersRoute> = {
  name: 'referrers',
  operations: {
    GET: { demand: 'repository:pull', kind: 'read', run: getReferrers, runAbsent: getNoReferrers },
    HEAD: { demand: 'repository:pull', kind: 'read', run: getReferrers, runAbsent: getNoReferrers },
  },
}

const artifactTypeMaxLength = 255

async function getReferrers(exchange: TargetedExchange, route: ReferrersRoute): Promise<void> {
  await answerReferrers(exchange, route, referrersOf)
}

/** Nothing refers to what is in a repository that is not there. */
async function getNoReferrers(exchange: TargetedExchange, route: ReferrersRoute): Promise<void> {
  await answerReferrers(exchange, route, () => Promise.resolve(noReferrers))
}

async function answerReferrers(
  exchange: TargetedExchange,
  { repository, subject }: ReferrersRoute,
  find: typeof referrersOf,
): Promise<void> {
  const artifactType = exchange.target.query.get('artifactType')
  if (artifactType !== null && (artifactType.length > artifactTypeMaxLength || artifactType.includes('\0'))) {
    throw new RegistryError('REQUEST_INVALID', 'artifactType is not a media type')
  }
  const last = parseLast(exchange.target.query)
  const filter = artifactType === null ? {} : { artifactType }
  const found = await find(exchange, { repository, subject, options: last === undefined ? filter : { ...filter, last } })
  const path = `${repository}/referrers/${subject}`
  const link = found.next === undefined ? [] : ['Link', nextPage(exchange, path, { ...filter, last: found.next })]
  const applied = artifactType === null ? [] : ['OCI-Filters-Applied', 'artifactType']
  const index = { schemaVersion: 2, mediaType: ociIndex, manifests: found.descriptors }
  // Spec "Listing Referrers": exactly this Content-Type, without parameters.
  respond(exchange, 200, ['Content-Type', ociIndex, ...cacheShortly(exchange), ...applied, ...link], JSON.stringify(index))
}

type Referrers = Awaited<ReturnType<typeof listReferrers>>

const noReferrers: Referrers = { descriptors: [], next: undefined }

interface ReferrersQuery extends Omit<ReferrersRoute, 'kind'> {
  readonly options: Parameters<typeof listReferrers>[3]
}

/** Spec "Listing Referrers": never 404, nothing refers to what nobody knows. */
async function referrersOf(exchange: TargetedExchange, { repository, subject, options }: ReferrersQuery): Promise<Referrers> {
  try {
    return await listReferrers(exchange.site.parts.registry, repository, subject, options)
  } catch (error) {
    if (error instanceof RegistryError && error.status === 404) return noReferrers
    throw error
  }
}
