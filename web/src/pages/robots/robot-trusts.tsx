/** The workloads that act as a robot with a token of their own, without a secret. */
import { ActionIcon, Alert, Autocomplete, Button, Text, Textarea, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Info, Plus, Trash2 } from 'lucide-react'
import { useState } from 'react'
import { query } from '../../api/client.ts'
import { listProviders } from '../../api/manage-routes.ts'
import { useWho } from '../../api/session.ts'
import { act, Dialog, Form, linesOf, useDraft } from '../../parts/form.tsx'
import { Panel } from '../../parts/layout.tsx'
import { Loaded } from '../../parts/loaded.tsx'
import { tell } from '../../parts/problem.tsx'
import { None, Row } from '../../parts/rows.tsx'
import { Said } from '../../parts/said.ts'
import { useWords } from '../../parts/use-words.ts'
import { robotCalls, type RobotTrust } from './robot-calls.ts'
import type { RobotPartProps } from './robot-details.tsx'

export function RobotTrusts({ project, robot, mayChange }: RobotPartProps) {
  const { t } = useWords()
  const [isAdding, setAdding] = useState(false)
  const calls = robotCalls(project)
  const list = useQuery(calls.trusts(robot.id))
  const remove = async ({ id }: RobotTrust) => {
    await calls.removeTrust(robot.id, id)
    tell(t('manage:robots.trustRemoved'))
  }
  const add = mayChange ? (
    <Button size="compact-sm" variant="default" leftSection={<Plus size={14} />} onClick={() => setAdding(true)}>
      {t('manage:robots.addTrust')}
    </Button>
  ) : undefined
  return (
    <Panel title={t('manage:robots.trusts')} actions={add} isFlush>
      <Loaded of={list} rows={1}>
        {({ items }) => (
          <>
            {items.length === 0 && <None>{t('manage:robots.noTrusts')}</None>}
            <ul className="rows">
              {items.map((trust) => (
                <Row key={trust.id} title={`${trust.provider} → ${trust.audience}`} text={<TrustText trust={trust} />}>
                  {mayChange && (
                    <ActionIcon
                      onClick={() => void act(() => remove(trust))}
                      aria-label={t('manage:common.remove', { name: trust.provider })}
                    >
                      <Trash2 size={15} />
                    </ActionIcon>
                  )}
                </Row>
              ))}
            </ul>
          </>
        )}
      </Loaded>
      <Dialog title={t('manage:robots.addTrust')} opened={isAdding} close={() => setAdding(false)} size={560}>
        <AddTrust project={project} robot={robot.id} close={() => setAdding(false)} />
      </Dialog>
    </Panel>
  )
}

function TrustText({ trust: { description, claims } }: { readonly trust: RobotTrust }) {
  return (
    <>
      {description !== '' && <div>{description}</div>}
      {Object.entries(claims).map(([claim, pattern]) => (
        <div key={claim} className="mono">{`${claim} = ${pattern}`}</div>
      ))}
    </>
  )
}

interface AddProps {
  readonly project: string | undefined
  readonly robot: number
  readonly close: () => void
}

function AddTrust({ project, robot, close }: AddProps) {
  const { t } = useWords()
  const who = useWho()
  const { data } = useQuery({ ...query(listProviders), enabled: who.may('provider:list') })
  const { draft, text, put } = useDraft({ provider: '', audience: location.origin, claims: '', description: '' })
  const save = async () => {
    const claims = claimsOf(draft.claims, t('manage:robots.badClaim'))
    const body = { provider: draft.provider.trim(), audience: draft.audience.trim(), description: draft.description, claims }
    await robotCalls(project).addTrust(robot, body)
    tell(t('common.saved'))
    close()
  }
  return (
    <Form save={save} close={close} submit={t('common.add')}>
      <Alert icon={<Info size={17} />} color="blue">
        <Text size="sm" c="var(--mantine-color-text)">
          {t('manage:robots.trustText')}
        </Text>
      </Alert>
      <Autocomplete
        label={t('manage:robots.provider')}
        data={(data?.items ?? []).filter(({ kind }) => kind === 'workload').map(({ name }) => name)}
        value={draft.provider}
        onChange={(provider) => put({ provider })}
        data-autofocus
        required
        withAsterisk={false}
      />
      <TextInput
        label={t('manage:robots.audience')}
        description={t('manage:robots.audienceHint')}
        {...text('audience')}
        required
        withAsterisk={false}
      />
      <Textarea
        label={t('manage:robots.claims')}
        description={t('manage:robots.claimsHint')}
        placeholder={'repository = acme/api\nref = refs/heads/main'}
        autosize
        minRows={3}
        classNames={{ input: 'mono' }}
        spellCheck={false}
        {...text('claims')}
      />
      <TextInput label={t('common.description')} {...text('description')} />
    </Form>
  )
}

/** `claim = pattern`, one a line. */
function claimsOf(text: string, sentence: string): Record<string, string> {
  return Object.fromEntries(
    linesOf(text).map((line) => {
      const at = line.indexOf('=')
      if (at < 1 || line.slice(at + 1).trim() === '') throw new Said(`${sentence} ${line}`)
      return [line.slice(0, at).trim(), line.slice(at + 1).trim()]
    }),
  )
}
