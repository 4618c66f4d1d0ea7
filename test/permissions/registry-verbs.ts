/** Every verb of /v2 with the permission that it needs. */
import { pushImage } from '../support/registry-client.ts'
import { startUpload } from '../support/upload.ts'
import type { Actor, Place, Scene } from './scene.ts'

interface Sent {
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Buffer | string
}

/** `isOfVictim`: about a repository that is made for the purpose, beside the place's own. */
export interface RegistryVerb {
  readonly name: string
  readonly method: string
  readonly permission: string
  readonly isOfVictim?: true
  readonly request: (scene: Scene, place: Place, actor: Actor) => Promise<Sent>
}

type At = (place: Place) => string

function plain(method: string, at: string, permission: string, path: At): RegistryVerb {
  return { name: `${method} ${at}`, method, permission, request: async (_scene, place) => ({ path: `v2/${path(place)}` }) }
}

let victims = 0

/** An upload of the actor's own where they may start one, else somebody else's. */
async function uploadOf(scene: Scene, place: Place, { authorization }: Actor): Promise<string> {
  const headers = authorization === undefined ? {} : { authorization }
  const answer = await fetch(`${scene.rooms.url}v2/${place.repository}/blobs/uploads/`, { method: 'POST', headers })
  await answer.arrayBuffer()
  const location = answer.status === 202 ? answer.headers.get('location') : null
  const url = new URL(location ?? (await startUpload(scene.admin, scene.rooms.url, place.repository)), scene.rooms.url)
  return (url.pathname + url.search).slice(1)
}

function ofUpload(method: string, extra: Omit<Sent, 'path'> = {}): RegistryVerb {
  return {
    name: `${method} upload`,
    method,
    permission: 'repository:push',
    request: async (scene, place, actor) => ({ path: await uploadOf(scene, place, actor), ...extra }),
  }
}

const manifestType = { 'content-type': 'application/vnd.oci.image.manifest.v1+json' }
const reads = ['GET', 'HEAD']

export const registryVerbs: readonly RegistryVerb[] = [
  ...reads.map((method) => plain(method, 'base', 'identity', () => '')),
  ...reads.map((method) => plain(method, 'catalog', 'visible', () => '_catalog')),
  ...reads.map((method) => plain(method, 'manifest by tag', 'repository:pull', ({ repository }) => `${repository}/manifests/latest`)),
  ...reads.map((method) =>
    plain(method, 'manifest by digest', 'repository:pull', ({ repository, digest }) => `${repository}/manifests/${digest}`),
  ),
  ...reads.map((method) => plain(method, 'blob', 'repository:pull', ({ repository, blob }) => `${repository}/blobs/${blob}`)),
  ...reads.map((method) => plain(method, 'tags', 'repository:pull', ({ repository }) => `${repository}/tags/list`)),
  ...reads.map((method) => plain(method, 'referrers', 'repository:pull', ({ repository, digest }) => `${repository}/referrers/${digest}`)),
  {
    name: 'PUT manifest',
    method: 'PUT',
    permission: 'repository:push',
    request: async (_scene, { repository, manifest }) => ({
      path: `v2/${repository}/manifests/latest`,
      headers: manifestType,
      body: manifest,
    }),
  },
  plain('POST', 'uploads', 'repository:push', ({ repository }) => `${repository}/blobs/uploads/`),
  ofUpload('GET'),
  ofUpload('PATCH', { body: 'x' }),
  ofUpload('PUT'),
  ofUpload('DELETE'),
  {
    name: 'DELETE manifest',
    method: 'DELETE',
    permission: 'manifest:delete',
    request: async ({ admin }, { repository }) => {
      const image = await pushImage(admin, repository, undefined, { annotations: { victim: String(victims++) } })
      return { path: `v2/${repository}/manifests/${image.descriptor.digest}` }
    },
  },
  {
    name: 'DELETE tag',
    method: 'DELETE',
    permission: 'tag:delete',
    request: async ({ admin }, { repository, manifest }) => {
      const tag = `gone-${victims++}`
      await admin.pushManifest(repository, tag, manifest)
      return { path: `v2/${repository}/manifests/${tag}` }
    },
  },
  plain('DELETE', 'blob', 'manifest:delete', ({ repository, blob }) => `${repository}/blobs/${blob}`),
  {
    name: 'DELETE repository',
    method: 'DELETE',
    permission: 'repository:delete',
    isOfVictim: true,
    request: async ({ admin }, { name }) => {
      const repository = `${name}/gone-${victims++}`
      await pushImage(admin, repository, 'latest')
      return { path: `v2/${repository}/` }
    },
  },
]
