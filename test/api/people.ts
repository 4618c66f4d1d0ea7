import assert from 'node:assert/strict'
import { operatorRights } from '#access/acting.ts'
import { createGrant } from '#access/grants.ts'
import { createUser } from '#access/users.ts'
import { basicAuthorization } from '../support/http-client.ts'
import { registryClient, type RegistryClient } from '../support/registry-client.ts'
import { serveRooms, type ServedRooms } from '../support/serve-rooms.ts'

export interface ApiReply {
  readonly status: number
  /** Parsed; undefined where there is no body. */
  readonly body: Readonly<Record<string, unknown>> & { readonly items?: readonly Readonly<Record<string, unknown>>[] }
  readonly etag: string | undefined
  readonly location: string | undefined
}

/** Somebody who calls the management API and the registry. */
export interface Person {
  readonly id: number
  readonly name: string
  readonly registry: RegistryClient
  call(method: string, path: string, body?: unknown, headers?: Readonly<Record<string, string>>): Promise<ApiReply>
}

/** A served registry with accounts, and an administrator. */
export interface People extends AsyncDisposable {
  readonly rooms: ServedRooms
  readonly root: Person
  readonly stranger: Person
  /** Makes an account. */
  add(name: string, isAdministrator?: boolean): Promise<Person>
  /** Gives a role, on a project or on everything. */
  grant(person: Person, role: string, project?: string): Promise<void>
}

/** Of every account. */
export const password = 'a long enough passphrase'
const acting = { who: { actor: 'test', requestId: 'test' }, rights: operatorRights }

export async function openPeople(
  sections: Parameters<typeof serveRooms>[0] = {},
  options: Parameters<typeof serveRooms>[1] = {},
): Promise<People> {
  const rooms = await serveRooms({ auth: { kind: 'accounts', realm: 'test' } as never, ...sections }, options)
  const add = async (name: string, isAdministrator = false) => {
    const user = await createUser(rooms.accounts, { name, displayName: '', email: '', isAdministrator, password }, acting)
    return personOf(rooms.url, user.id, name)
  }
  return {
    rooms,
    root: await add('root', true),
    stranger: personOf(rooms.url, 0, undefined),
    add,
    async grant(person, role, project) {
      const place = project === undefined ? undefined : await rooms.access.project(project)
      assert.equal(place === undefined, project === undefined, `project ${project} is there`)
      const subject = { kind: 'user', id: person.id } as const
      await createGrant(rooms.accounts, { subject, role, project: place, repositories: null, expiresAt: null }, acting)
    },
    [Symbol.asyncDispose]: () => rooms[Symbol.asyncDispose](),
  }
}

function personOf(url: string, id: number, name: string | undefined): Person {
  const registry = registryClient(url, name === undefined ? {} : { authorization: basicAuthorization(name, password) })
  return {
    id,
    name: name ?? '',
    registry,
    async call(method, path, body, headers = {}) {
      const type = body === undefined ? {} : { 'content-type': 'application/json' }
      const text = body === undefined ? undefined : JSON.stringify(body)
      const request = { method, headers: { ...type, ...headers }, ...(text !== undefined && { body: text }) }
      const answer = await registry.send(`/api/v1${path}`, request)
      const parsed = answer.body.length === 0 ? {} : (JSON.parse(answer.body.toString()) as ApiReply['body'])
      const { etag, location } = answer.headers
      return { status: answer.status, body: parsed, etag: typeof etag === 'string' ? etag : undefined, location }
    },
  }
}
