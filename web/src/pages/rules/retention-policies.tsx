/** Policies of retention, and their runs: a dry one says first what would go. */
import { ActionIcon, Badge, Button, Group, Switch, Text } from '@mantine/core'
import { FlaskConical, History, Pencil, Plus, Trash2 } from 'lucide-react'
import { useState } from 'react'
import { change, pages } from '../../api/client.ts'
import {
  deleteRetentionPolicy,
  listRetentionPolicies,
  listRetentionRuns,
  startRetentionRun,
  updateRetentionPolicy,
} from '../../api/manage-routes.ts'
import { act, Dialog, Side, WorkButton } from '../../parts/form.tsx'
import { Panel } from '../../parts/layout.tsx'
import { useList } from '../../parts/list.ts'
import { Listing, More } from '../../parts/listing.tsx'
import { tell } from '../../parts/problem.tsx'
import { RelativeTime } from '../../parts/relative-time.tsx'
import { None, Row } from '../../parts/rows.tsx'
import { useWords } from '../../parts/use-words.ts'
import { keeps, type Policy } from './retention-draft.ts'
import { RetentionForm } from './retention-form.tsx'
import { RetentionRuns } from './retention-runs.tsx'

interface PoliciesProps {
  readonly project: string
  readonly rights: ReadonlySet<string>
}

type Opened =
  | { readonly what: 'form'; readonly policy: Policy | undefined }
  | { readonly what: 'runs'; readonly policy: string; readonly run?: number }

export function RetentionPolicies({ project, rights }: PoliciesProps) {
  const { t } = useWords()
  const [opened, setOpened] = useState<Opened>()
  const list = useList(pages(listRetentionPolicies, { params: { project }, query: { limit: 100, sort: 'name' } }))
  const close = () => setOpened(undefined)
  const create = rights.has('retention:create') ? (
    <Button
      size="compact-sm"
      variant="default"
      leftSection={<Plus size={14} />}
      onClick={() => setOpened({ what: 'form', policy: undefined })}
    >
      {t('manage:retention.create')}
    </Button>
  ) : undefined
  const shown = opened?.what === 'runs' ? list.items.find(({ name }) => name === opened.policy) : undefined
  return (
    <Panel title={t('manage:retention.title')} actions={create} isFlush>
      <Text size="sm" c="dimmed" px={16} pt={12}>
        {t('manage:retention.text')}
      </Text>
      <Listing list={list} empty={<None>{t('manage:retention.none')}</None>}>
        <ul className="rows" aria-label={t('manage:retention.title')}>
          {list.items.map((policy) => (
            <OnePolicy key={policy.name} project={project} policy={policy} rights={rights} open={setOpened} />
          ))}
        </ul>
        <More more={list.more} />
      </Listing>
      <Dialog
        title={opened?.what === 'form' && opened.policy !== undefined ? opened.policy.name : t('manage:retention.create')}
        opened={opened?.what === 'form'}
        close={close}
        size={640}
      >
        {opened?.what === 'form' && <RetentionForm project={project} policy={opened.policy} close={close} />}
      </Dialog>
      <Side title={t('manage:retention.runs')} opened={opened?.what === 'runs'} close={close} width={760}>
        {shown !== undefined && opened?.what === 'runs' && (
          <RetentionRuns project={project} policy={shown} rights={rights} first={opened.run} />
        )}
      </Side>
    </Panel>
  )
}

interface OneProps extends PoliciesProps {
  readonly policy: Policy
  readonly open: (opened: Opened) => void
}

function OnePolicy({ project, policy, rights, open }: OneProps) {
  const { t } = useWords()
  const { name, isEnabled, revision, shownRevision } = policy
  const input = { params: { project, policy: name }, ifMatch: policy.version }
  const toggle = () => change(updateRetentionPolicy, { ...input, body: { isEnabled: !isEnabled } }, [listRetentionPolicies])
  const remove = async () => {
    await change(deleteRetentionPolicy, input, [listRetentionPolicies])
    tell(t('manage:retention.removed', { name }))
  }
  const dry = async () => {
    const run = await change(startRetentionRun, { params: { project, policy: name }, body: { dryRun: true } }, [listRetentionRuns])
    open({ what: 'runs', policy: name, run: run.id })
  }
  return (
    <Row
      title={
        <Group gap={8}>
          {name}
          {shownRevision < revision && (
            <Badge size="sm" variant="dot" color="yellow">
              {t('manage:retention.notShown')}
            </Badge>
          )}
        </Group>
      }
      text={<PolicyText policy={policy} />}
    >
      <Group gap={6}>
        {rights.has('retention:run') && (
          <WorkButton size="compact-sm" variant="default" leftSection={<FlaskConical size={13} />} work={dry}>
            {t('manage:retention.dryRun')}
          </WorkButton>
        )}
        <ActionIcon onClick={() => open({ what: 'runs', policy: name })} aria-label={t('manage:retention.runsOf', { name })}>
          <History size={15} />
        </ActionIcon>
        {rights.has('retention:update') && (
          <>
            <ActionIcon onClick={() => open({ what: 'form', policy })} aria-label={t('manage:common.edit', { name })}>
              <Pencil size={15} />
            </ActionIcon>
            <Switch size="xs" checked={isEnabled} onChange={() => void act(toggle)} aria-label={t('manage:providers.switch', { name })} />
          </>
        )}
        {rights.has('retention:delete') && (
          <ActionIcon onClick={() => void act(remove)} aria-label={t('manage:common.remove', { name })}>
            <Trash2 size={15} />
          </ActionIcon>
        )}
      </Group>
    </Row>
  )
}

/** A policy in words. */
function PolicyText({ policy }: { readonly policy: Policy }) {
  const { t } = useWords()
  const { isEnabled, repositories, rules, unmatched, schedule, nextAt } = policy
  const sentences = rules.map(({ keep, tags }) => {
    const kind = keeps.find((each) => keep[each] !== undefined) ?? 'always'
    const what = t(`manage:retention.keepsThis.${kind}`, { number: keep[kind] ?? '' })
    return tags?.matches === undefined ? what : `${tags.matches}: ${what}`
  })
  return (
    <>
      {policy.description !== '' && <div>{policy.description}</div>}
      <div>
        {t('manage:rules.in')} <span className="mono">{repositories}</span> · {sentences.join('; ')} ·{' '}
        {t(`manage:retention.unmatchedTexts.${unmatched}`)}
      </div>
      <div>
        {schedule === '' ? (
          t('manage:retention.byHand')
        ) : (
          <>
            <span className="mono">{schedule}</span> {policy.timeZone}
          </>
        )}
        {nextAt !== null && isEnabled && (
          <>
            {' · '}
            <RelativeTime at={nextAt} />
          </>
        )}
      </div>
    </>
  )
}
