/** A robot, opened: what it may, its secrets, the workloads that act as it. */
import { Badge, Button, Group, Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Pencil } from 'lucide-react'
import { useState } from 'react'
import { Dialog } from '../../parts/form.tsx'
import { Panel } from '../../parts/layout.tsx'
import { Loaded } from '../../parts/loaded.tsx'
import { RelativeTime } from '../../parts/relative-time.tsx'
import { useRoleTitle } from '../../parts/role-title.ts'
import { Facts, None, Row } from '../../parts/rows.tsx'
import { useWords } from '../../parts/use-words.ts'
import { robotCalls, type Robot } from './robot-calls.ts'
import { EditRobot } from './robot-form.tsx'
import { RobotSecrets } from './robot-secrets.tsx'
import { RobotTrusts } from './robot-trusts.tsx'

interface DetailsProps {
  /** Undefined: a robot of the system. */
  readonly project: string | undefined
  readonly id: number
  readonly mayChange: boolean
}

export function RobotDetails({ project, id, mayChange }: DetailsProps) {
  const robot = useQuery(robotCalls(project).read(id))
  return (
    <Loaded of={robot}>
      {(data) => (
        <Stack>
          <About project={project} robot={data} mayChange={mayChange} />
          <RobotSecrets project={project} robot={data} mayChange={mayChange} />
          <RobotTrusts project={project} robot={data} mayChange={mayChange} />
        </Stack>
      )}
    </Loaded>
  )
}

/** What the parts of an opened robot are about. */
export interface RobotPartProps {
  readonly project: string | undefined
  readonly robot: Robot
  readonly mayChange: boolean
}

function About({ project, robot, mayChange }: RobotPartProps) {
  const { t } = useWords()
  const titleOf = useRoleTitle()
  const [isEditing, setEditing] = useState(false)
  const edit = mayChange ? (
    <Button size="compact-sm" variant="default" leftSection={<Pencil size={13} />} onClick={() => setEditing(true)}>
      {t('manage:common.change')}
    </Button>
  ) : undefined
  return (
    <>
      <Group gap={8}>
        <Text className="mono wrap" fw={600}>
          {robot.login}
        </Text>
        {robot.isDisabled && <Badge>{t('robots.disabled')}</Badge>}
      </Group>
      <Panel title={t('manage:robots.grants')} actions={edit} isFlush>
        <div style={{ padding: 16 }}>
          <Facts
            facts={[
              [t('common.description'), robot.description === '' ? undefined : robot.description],
              [t('members.until'), robot.expiresAt === null ? t('members.always') : <RelativeTime at={robot.expiresAt} />],
              [t('robots.used'), robot.lastUsedAt === null ? t('tags.never') : <RelativeTime at={robot.lastUsedAt} />],
              [
                t('manage:robots.addresses'),
                robot.allowedAddresses.length === 0 ? undefined : <span className="mono">{robot.allowedAddresses.join(', ')}</span>,
              ],
            ]}
          />
        </div>
        {robot.grants.length === 0 && <None>{t('manage:robots.noGrants')}</None>}
        <ul className="rows">
          {robot.grants.map((grant) => (
            <Row key={grant.id} title={titleOf(grant.role)} text={grant.repositories ?? grant.project ?? t('members.origin.everything')}>
              {grant.expiresAt !== null && (
                <Text size="sm" c="dimmed">
                  {t('members.until')} <RelativeTime at={grant.expiresAt} />
                </Text>
              )}
            </Row>
          ))}
        </ul>
      </Panel>
      <Dialog title={robot.login} opened={isEditing} close={() => setEditing(false)} size={520}>
        <EditRobot project={project} robot={robot} close={() => setEditing(false)} />
      </Dialog>
    </>
  )
}
