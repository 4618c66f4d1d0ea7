import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatRobotName, parseRobotName } from './robot-name.ts'

test('both forms name a robot of the system or of a project', () => {
  assert.deepEqual(parseRobotName('robot-ci'), { name: 'ci', project: undefined })
  assert.deepEqual(parseRobotName('robot-ci@team/web'), { name: 'ci', project: 'team/web' })
  assert.deepEqual(parseRobotName('robot$ci'), { name: 'ci', project: undefined })
  assert.deepEqual(parseRobotName('robot$team+ci.main'), { name: 'ci.main', project: 'team' })
})

test('what is no robot is none', () => {
  for (const text of [
    '',
    'ci',
    'robot',
    'robot-',
    'robot-CI',
    'robot-ci@',
    'robot-ci@a@b',
    'robot$',
    'robot$+ci',
    'robot$a+b+c',
    'robot-a b',
    'robot--x',
    'robot-x\n',
  ]) {
    assert.equal(parseRobotName(text), undefined, text)
  }
})

test('a formatted name is read back', () => {
  for (const robot of [
    { name: 'ci', project: undefined },
    { name: 'a-b_c', project: 'x/y' },
  ])
    assert.deepEqual(parseRobotName(formatRobotName(robot)), robot)
  assert.equal(formatRobotName({ name: 'ci', project: null }), 'robot-ci')
})
