import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRobot, readRobot, updateRobot } from './robots.ts'
import { administrator } from './test-acting.ts'
import { makeTestDirectory } from './test-vouched.ts'

test('a robot that a robot made says how that robot is', async () => {
  await using directory = await makeTestDirectory()
  const robot = { project: undefined, description: '', allowedAddresses: [], expiresAt: null, grants: [], hasSecret: false }
  const maker = await createRobot(directory, { ...robot, name: 'maker' }, administrator)
  const acting = { ...administrator, who: { ...administrator.who, actor: 'robot-maker' } }
  const { robot: made } = await createRobot(directory, { ...robot, name: 'made' }, acting)
  const state = async () => (await readRobot(directory, { id: made.id, projectId: undefined })).robot.createdByState
  assert.equal(await state(), 'active')
  await updateRobot(
    directory,
    { id: maker.robot.id, projectId: undefined, expectedVersion: undefined, set: { isDisabled: true } },
    administrator,
  )
  assert.equal(await state(), 'disabled')
  assert.equal(maker.robot.createdByState, 'gone', 'nobody of that name has an account')
})
