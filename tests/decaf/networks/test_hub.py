"""Presets of keras-hub's as backbones; tiny ones with random weights, since real ones are large."""

import json
import zipfile
from dataclasses import replace

import keras
import numpy as np
import pytest
from hub_presets import MAKERS, SIZE, save_preset
from PIL import Image
from rated_photos import scored_photos
from small_model import make_model, noise

from decaf import load_model, rank_photos
from decaf.extraction.feature_network import PlainBackbone
from decaf.networks import hub_tower
from decaf.networks.backbones import get_backbone
from decaf.networks.convolutions import build_activations, check_sizes
from decaf.networks.network import build_network, load_network
from decaf.training.networks import finetune_network
from decaf.training.settings import RECIPES
from decaf.training.training_photos import read_training_photos
from features.errors import InputError

pytest.importorskip("keras_hub")


@pytest.fixture(scope="module")
def photos():
    return np.random.default_rng(0).integers(0, 256, (2, SIZE, SIZE, 3), np.uint8)


@pytest.fixture(scope="module")
def presets(tmp_path_factory):
    """Folder, backbone and image converter by kind; each is made once."""
    made = {}

    def preset(kind):
        if kind not in made:
            folder = tmp_path_factory.mktemp("presets") / kind.lower()
            made[kind] = f"hub:{folder}", *save_preset(folder, kind)
        return made[kind]

    return preset


@pytest.fixture(scope="module")
def saved(presets, tmp_path_factory):
    path = tmp_path_factory.mktemp("networks") / "hub.keras"
    network = build_network(presets("DINOV2")[0], 4, pooling="multilevel")
    network.save(path)
    return path, network


def own_blocks(kind, backbone, x):
    """What keras-hub's own layers give after the third transformer block, and at the end."""
    if kind in ("CLIP", "SigLIP"):
        backbone = backbone.vision_encoder
    if kind in ("DINOV2", "DINOV3"):
        third = keras.Model(backbone.inputs, backbone.pyramid_outputs["stage3"])(x)
        return [third, backbone(x)]
    if kind == "ViT":
        embedding, encoder = backbone.layers[1:]
        third = embedding(x)
        for block in encoder.encoder_layers[:3]:
            third = block(third)
        return [third, backbone(x)]
    if kind == "CLIP":
        whole = type(backbone).from_config(backbone.get_config() | {"intermediate_output_index": 2})
        whole.set_weights(backbone.get_weights())
        found = whole(x)
        return [found["intermediate_output"], found["sequence_output"]]
    if kind == "SigLIP":
        ends = [backbone.encoder_layers[2].output, backbone.post_layer_norm.output]
        return keras.Model(backbone.inputs, ends)(x)
    first = backbone.layers[2](backbone.layers[1](x))
    return [first, backbone.layers[4](backbone.layers[3](first)), backbone(x)]


def averages(kind, tokens):
    """The mean of the patch tokens, and the class token; or the averages of a map."""
    tokens = keras.ops.convert_to_numpy(tokens)
    if tokens.ndim == 4:
        return tokens.mean((1, 2))
    n_prefix = {"ViT": 1, "DINOV2": 3, "DINOV3": 3, "CLIP": 1, "SigLIP": 0}[kind]
    means = tokens[:, n_prefix:].mean(1)
    return np.concatenate([means, tokens[:, 0]], 1) if n_prefix else means


@pytest.mark.parametrize("kind", MAKERS)
def test_activations_are_what_keras_hub_itself_computes(kind, presets, photos):
    name, backbone, converter = presets(kind)
    wanted = [averages(kind, each) for each in own_blocks(kind, backbone, converter(photos))]
    found = build_activations(name, ("multilevel", "average"))(photos)
    np.testing.assert_allclose(found["multilevel"], np.concatenate(wanted, 1), atol=2e-5)
    np.testing.assert_allclose(found["average"], wanted[-1], atol=2e-5)
    assert np.ptp(wanted[0], axis=0).min() > 0


def test_a_saved_network_gives_the_same_and_tells_where_its_weights_come_from(saved, photos):
    path, network = saved
    loaded = load_network(path)
    assert loaded.record == network.record
    assert loaded.record.name == "hub-dinov2-multilevel-4"
    assert loaded.record.licence == "keras-hub's preset in the user's own folder dinov2"
    np.testing.assert_array_equal(loaded.keras_model(photos), network.keras_model(photos))


def test_a_cut_backbone_has_the_first_blocks_alone(presets, saved, photos):
    cut = build_activations(presets("DINOV2")[0], ("multilevel",), blocks=1)
    whole = saved[1].activations_model()
    first = cut(photos)["multilevel"]
    np.testing.assert_array_equal(first, whole(photos)["multilevel"][:, : first.shape[1]])
    assert cut.count_params() < whole.count_params()


def test_a_network_is_finetuned_on_a_preset_and_ranks_an_album(presets, tmp_path):
    album = noise(12)
    for number, photo in enumerate(album):
        Image.fromarray(photo).save(tmp_path / f"{number}.png")
    paths = [str(tmp_path / f"{number}.png") for number in range(len(album))]
    rated = replace(scored_photos([0, 1] * 6), paths=np.array(paths, object))
    plain = PlainBackbone(presets("MobileNetV5")[0], "multilevel")
    read = read_training_photos(
        rated, plain, precision="float32", engine="keras", cache=tmp_path / "cache", progress=False
    )
    settings = replace(RECIPES["decaf"], epochs=1)
    network = finetune_network(read, 4, settings, progress=False)
    make_model(album, network=network).save(tmp_path / "model")
    ranking = rank_photos(tmp_path, load_model(tmp_path / "model"), progress=False)
    assert len(ranking) == len(album)
    assert network.record.finetuned_on


def test_in_bfloat16_all_layers_of_the_tower_compute(saved, photos):
    half = load_network(saved[0], precision="bfloat16").activations_model()
    inner = half.get_layer("tower").inner
    assert all(layer.compute_dtype == "bfloat16" for layer in inner._flatten_layers(False))
    exact = saved[1].activations_model()(photos)["multilevel"]
    np.testing.assert_allclose(half(photos)["multilevel"], exact, atol=0.1)


def test_without_keras_hub_one_line_names_the_extra(saved, monkeypatch):
    monkeypatch.setattr(hub_tower, "find_spec", lambda name: None)
    told = r"keras-hub is not installed: pip install 'decaf\[hub\]'"
    with pytest.raises(InputError, match=told):
        load_network(saved[0])
    with pytest.raises(InputError, match=told):
        get_backbone("hub:dinov2_small")


def test_a_tower_looks_at_another_size_where_its_places_allow_it(presets):
    assert check_sizes(presets("DINOV2")[0], (64,)) == (64,)
    assert build_activations(presets("DINOV3")[0], ("average",), sizes=(64,)).input_shape[1] == 64
    with pytest.raises(InputError, match="size 64; it takes 32 alone"):
        check_sizes(presets("ViT")[0], (64,))
    with pytest.raises(InputError, match="looks at photos of one size"):
        check_sizes(presets("DINOV2")[0], (64, 128))
    with pytest.raises(InputError, match="size 72; it takes 32, and multiples of 16"):
        check_sizes(presets("DINOV2")[0], (72,))


def test_what_is_no_preset_is_told_in_one_line(presets, tmp_path):
    with pytest.raises(InputError, match="did you mean hub:dinov2_"):
        get_backbone("hub:dinov2_smal")
    with pytest.raises(InputError, match="has no image_converter"):
        get_backbone(f"hub:{tmp_path}")
    for file in ("config.json", "image_converter.json"):
        (tmp_path / file).write_text('{"class_name": "BertBackbone", "config": {}}')
    with pytest.raises(InputError, match="its BertBackbone is no image tower that decaf knows"):
        get_backbone(f"hub:{tmp_path}")
    with pytest.raises(InputError, match="its weights are those of the preset alone"):
        build_network(presets("DINOV2")[0], 4, weights=tmp_path / "config.json")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"tower": "BertBackbone"}, "keras-hub's BertBackbone is no image tower"),
        ({"blocks": 9}, "it has no 9 blocks"),
        ({"settings": {"num_layers": 10**4}}, "has no such number of layers"),
        ({"settings": {"patch_size": 1e9}}, "has a setting 1000000000.0"),
        ({"settings": {"name": "other"}}, "settings are not decaf's"),
        ({"settings": {"drop_path_rate": {"a": 1}}}, "has a setting {'a': 1}"),
        ({"settings": {"hidden_dim": 2**14}}, "more weights than its file holds"),
        ({"settings": {"intermediate_dim": 2**14}}, "more weights than its file holds"),
        ({"settings": {"hidden_dim": 2**16, "patch_size": 1}}, "computes more than any network"),
        ({"settings": {"no_such": 1}}, "not a network that Keras can load"),
        ({"settings": {"dropout_rate": {"class_name": "Lambda"}}}, "has parts that no network"),
    ],
)
def test_a_tower_that_decaf_did_not_write_is_refused_before_it_is_built(
    saved, tmp_path, change, told, monkeypatch
):
    with zipfile.ZipFile(saved[0]) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    (layer,) = (each for each in config["config"]["layers"] if each["name"] == "tower")
    settings = layer["config"]["settings"] | change.pop("settings", {})
    layer["config"] |= {"settings": settings} | change
    path = tmp_path / "hostile.keras"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (members | {"config.json": json.dumps(config)}).items():
            archive.writestr(name, content)
    monkeypatch.setattr(keras.saving, "load_model", None)
    with pytest.raises(InputError) as error:
        load_network(path)
    assert told in str(error.value)
