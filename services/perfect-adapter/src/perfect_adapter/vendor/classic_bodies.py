"""Bodies of the classic profile's calls, which make a picture while the caller waits. Pure."""

from closet_contracts.work import Edit, Hairstyle, Role, TextToImage, TryOn

from perfect_adapter.vendor.bodies import Body, References


def try_on(task: TryOn, refs: References) -> Body:
    return {
        "person_image_url": refs[Role.PERSON].value,
        "item_image_url": refs[Role.GARMENT].value,
        "category": task.category.value,
        "fit_mode": task.fit_mode,
    }


def text_to_image(task: TextToImage, _refs: References) -> Body:
    return {
        "prompt": task.prompt,
        "negative_prompt": task.negative_prompt,
        "style": task.style.value,
        "width": task.size.width,
        "height": task.size.height,
    }


def edit(task: Edit, refs: References) -> Body:
    mask = {"mask": refs[Role.MASK].value} if Role.MASK in refs else {}
    return {"image_url": refs[Role.IMAGE].value, "prompt": task.prompt, **mask}


def hairstyle(task: Hairstyle, refs: References) -> Body:
    wanted = {"template_id": task.template_id} if task.template_id else {"reference_url": refs[Role.REFERENCE].value}
    return {"image_url": refs[Role.IMAGE].value, **wanted}
