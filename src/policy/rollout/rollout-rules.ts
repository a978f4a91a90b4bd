/** What must hold whatever the rollout policy decides, for its tests. Not part of the product. */
import { assert } from '#base/assert';
import type { InstanceId } from '#model/instance';
import type { ServicePlan } from './plan-service.ts';
import type { ServiceModel } from './service-model.ts';
import type { ServiceSnapshot } from './service-snapshot.ts';

/** S1, R2 and the bound on instances, for what a plan decides in a modelled service. */
export function checkRules(model: ServiceModel, snapshot: ServiceSnapshot, plan: ServicePlan): void {
  const spec = model.releases.get(model.app.release)?.spec.services[snapshot.service];
  const drained = new Set<InstanceId>();
  let wasReadyDrained = false;
  for (const action of plan.actions) {
    if (action.kind === 'stop' && !action.forced) {
      for (const [name, gateway] of model.gateways) {
        const listed = gateway.alive ? gateway.applied?.backends.find((backend) => backend.id === action.id) : undefined;
        assert(listed?.state !== 'active', `S1: ${action.id} is stopped while ${name} sends it requests`);
      }
    }
    if (action.kind === 'place') {
      const node = model.nodes.get(action.node);
      assert(node?.heard === true && node.drainDeadline === undefined, `${action.node} is not fit for an instance`);
    }
    if (action.kind !== 'drain') continue;
    drained.add(action.id);
    const facts = snapshot.instances.find(({ instance }) => instance.id === action.id);
    const isRemoval = action.reason.includes('removed') || action.reason.includes('failed') || action.reason.includes('deadline');
    if (facts?.readiness.ready && !isRemoval) wasReadyDrained = true;
  }
  const staying = snapshot.instances.filter(({ instance, readiness }) => instance.intent.kind === 'run' && readiness.ready && !drained.has(instance.id)).length;
  const atLeast = model.count - (spec?.update.maxUnavailable ?? 0);
  assert(!wasReadyDrained || staying >= atLeast, `R2: ${staying} ready instances are left, ${atLeast} must be`);
  const onLiveNodes = [...model.instances.values()].filter(({ node }) => model.nodes.get(node)?.heard).length;
  assert(onLiveNodes <= 4 * Math.max(model.count, model.options.count) + 6, `${onLiveNodes} instances exist for a count of ${model.count}`);
}
