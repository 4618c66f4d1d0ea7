/** Groups: access/groups.ts over HTTP. */
import * as groups from '#access/groups.ts'
import type { ResponseOf } from '#api/contract.ts'
import * as contract from '#api/routes/groups.ts'
import { actingOf } from './acting-of.ts'
import { instantOf, pageBody } from './page-body.ts'
import { givingOf } from './require-elevation-to-give.ts'
import { serve, type ServedRoute } from './serve-route.ts'
import { sortedPage } from './sorted-page.ts'

type Group = Awaited<ReturnType<typeof groups.readGroup>>
const sorts = { name: 'text', createdAt: 'number' } as const
const memberSorts = { createdAt: 'number' } as const

function present(group: Group): ResponseOf<typeof contract.readGroup> {
  const { id, name, description, provider, externalName, version } = group
  return {
    id,
    name,
    description,
    provider,
    externalName,
    version,
    createdAt: instantOf(group.createdAt),
    updatedAt: instantOf(group.updatedAt),
  }
}

/** Served by the app. */
export const groupRoutes: readonly ServedRoute[] = [
  serve(contract.listGroups, async ({ parts, query, page }) => {
    const found = await groups.listGroups(parts.directory, { namePrefix: query.name, provider: query.provider }, sortedPage(page, sorts))
    return { body: pageBody(found, present) }
  }),
  serve(contract.createGroup, async (call) => {
    const { name, description = '' } = call.body
    const group = await groups.createGroup(call.parts.directory, { name, description }, actingOf(call))
    return { body: present(group), version: group.version, location: `/groups/${group.id}` }
  }),
  serve(contract.readGroup, async ({ parts, params }) => {
    const group = await groups.readGroup(parts.directory, params.group)
    return { body: present(group), version: group.version }
  }),
  serve(contract.updateGroup, async (call) => {
    const update = { id: call.params.group, expectedVersion: call.ifMatch, set: call.body }
    const group = await groups.updateGroup(call.parts.directory, update, actingOf(call))
    return { body: present(group), version: group.version }
  }),
  serve(contract.deleteGroup, async (call) => {
    await groups.deleteGroup(call.parts.directory, { id: call.params.group, expectedVersion: call.ifMatch }, await givingOf(call))
  }),
  serve(contract.listGroupMembers, async ({ parts, params, query, page }) => {
    const filter = { groupId: params.group, namePrefix: query.name }
    const found = await groups.listGroupMembers(parts.directory, filter, sortedPage(page, memberSorts))
    return { body: pageBody(found, ({ createdAt, ...member }) => ({ ...member, createdAt: instantOf(createdAt) })) }
  }),
  serve(contract.addGroupMember, async (call) => {
    const { group: groupId, user: userId } = call.params
    await groups.addGroupMember(call.parts.directory, { groupId, userId }, await givingOf(call))
  }),
  serve(contract.removeGroupMember, async (call) => {
    const { group: groupId, user: userId } = call.params
    await groups.removeGroupMember(call.parts.directory, { groupId, userId }, actingOf(call))
  }),
]
